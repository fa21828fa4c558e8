"""The client is a package of its own: quick to import, of the standard library alone, built as a wheel."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.scripts import CLIENT, environment, run_script

# What takes long to import, or what a training environment would have to agree with.
HEAVY = ("torch", "numpy", "fastapi", "pydantic", "httpx", "sqlalchemy", "backend", "worker")
LATER = ("ssl", "http.client", "urllib.request", "email", "asyncio", "etrm_lab.query", "etrm_lab.connection")


def test_importing_it_brings_nothing_that_takes_long(tmp_path: Path) -> None:
    text = "import sys; before = set(sys.modules); import etrm_lab; print(*set(sys.modules) - before)"
    done = run_script(tmp_path, text)
    assert done.returncode == 0, done.stderr
    brought = set(done.stdout.split())
    assert "etrm_lab.session" in brought
    assert brought.isdisjoint((*HEAVY, *LATER))
    assert len(brought) < 90


def test_sending_needs_the_standard_library_alone(tmp_path: Path) -> None:
    text = f"""
        import sys
        for name in {HEAVY!r}:
            sys.modules[name] = None  # whoever imports it fails
        import etrm_lab.command, etrm_lab.connection, etrm_lab.delivery, etrm_lab.query
    """
    done = run_script(tmp_path, text)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_its_wheel_holds_the_package_and_the_command(tmp_path: Path) -> None:
    copy = tmp_path / "copy"  # setuptools writes beside the sources
    shutil.copytree(CLIENT, copy, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "build"))
    options = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", str(tmp_path)]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(copy)], check=True, timeout=600)
    (built,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(built) as wheel:
        names = wheel.namelist()
        metadata = next(wheel.read(name).decode() for name in names if name.endswith("/METADATA"))
        commands = next(wheel.read(name).decode() for name in names if name.endswith("/entry_points.txt"))
    modules = {f"etrm_lab/{path.name}" for path in (CLIENT / "etrm_lab").glob("*.py")}
    assert modules | {"etrm_lab/py.typed"} == {name for name in names if ".dist-info/" not in name}
    assert "Name: etrm-lab-client" in metadata
    assert [
        line for line in metadata.splitlines() if line.startswith("Requires-Dist") and "extra" not in line
    ] == []
    assert "etrm-lab = etrm_lab.command:main" in commands


def test_the_command_of_the_lab_sends_journals_too(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "backend.cli", "sync", "nowhere"],
        cwd=CLIENT.parent,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "Error: There is no journal of a run in nowhere.\n"
