"""The client is a package of its own: quick to import, of the standard library alone, built as a wheel."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from backend.terminal.port import free_local_port
from etrm_lab.exit_codes import ExitCode
from tests.support.scripts import CLIENT, client_command, environment, run_script

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
    assert (done.returncode, done.stdout) == (ExitCode.NOT_FOUND, "")
    assert done.stderr == "Error: There is no journal of a run in nowhere.\n"


def test_its_command_answers_json(tmp_path: Path) -> None:
    script = "import etrm_lab; etrm_lab.init(mode='offline').log({'loss': 1.0}); etrm_lab.finish()"
    assert run_script(tmp_path, script).returncode == 0
    (tmp_path / "history.csv").write_text("_step,loss\n0,1.0\n")
    unreachable = f"http://127.0.0.1:{free_local_port()}"

    def ask(*words: str) -> tuple[int, Any, Any]:
        done = client_command(tmp_path, unreachable, "none", *words)
        return done.returncode, *(json.loads(text) if text else None for text in (done.stdout, done.stderr))

    code, document, told = ask("sync", "--json")
    assert (code, document, told["error"]["code"]) == (ExitCode.UNAVAILABLE, None, "unavailable")
    code, document, told = ask("--json", "sync", "nowhere")
    assert (code, document, told["error"]["code"]) == (ExitCode.NOT_FOUND, None, "not_found")
    code, document, told = ask("import", "--json", "elsewhere", "x")
    assert (code, document, told["error"]["fields"][0]["field"]) == (ExitCode.USAGE, None, "KIND")
    done = client_command(tmp_path, "", "", "import", "wandb", "history.csv", "--json")
    (run,) = json.loads(done.stdout)["runs"]
    assert (done.returncode, run["points"]) == (ExitCode.DONE, 1)
    done = client_command(tmp_path, unreachable, "none", "--json", "import", "wandb", "history.csv")
    (run,) = json.loads(done.stdout)["runs"]
    assert (done.returncode, "does not answer" in run["error"]) == (ExitCode.UNAVAILABLE, True)
