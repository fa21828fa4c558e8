"""The floors of docs/architecture.md hold, and the web side never pays for torch."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINTER = Path(sys.executable).with_name("lint-imports")


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Check the contracts of the tree at `folder`."""
    return subprocess.run(
        [str(LINTER), "--no-cache"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_imports_go_down_floors_only() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout


def test_every_contract_is_named_as_a_sentence() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    for contract in contracts:
        assert contract["name"][0].isalpha(), contract["name"]
        assert contract["name"].endswith("."), contract["name"]


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        ("backend/domain/grid.py", "import numpy"),
        ("backend/kit/cursors.py", "import sqlalchemy"),
        ("backend/kit/problems.py", "from backend.domain import task"),
        ("backend/services/runs.py", "import worker.recorder"),
        ("backend/db/base.py", "from backend.services import runs"),
        ("backend/api/runs.py", "from backend.db.repositories import runs"),
        ("worker/models/core.py", "import backend.settings"),
        ("worker/data/tokens.py", "from worker.models import core"),
    ],
)
def test_an_import_up_the_floors_breaks_a_contract(tmp_path: Path, module: str, forbidden: str) -> None:
    for package in ("backend", "worker"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / module).open("a") as file:
        file.write(f"\n{forbidden}\n")
    done = lint(tmp_path)
    assert done.returncode == 1, done.stdout
    assert "BROKEN" in done.stdout


def test_importing_the_application_leaves_torch_and_plotly_out() -> None:
    code = "import sys, backend.app; print([m for m in ('torch', 'plotly', 'worker') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
