"""Completing commands in bash, zsh and fish: names, options and ids, without loading what takes long."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import output, queue
from tests.support.lab import environment
from tests.support.processes import eventually
from tests.support.records.recorded import record_evaluation_job
from tests.support.remote_labs import Labs, ended
from tests.terminal.test_start import loaded

HEAVY = {"alembic", "celery", "fastapi", "httpx", "numpy", "plotly", "redis", "rich", "sqlalchemy", "torch"}


def completed(home: Path, line: str, shell: str = "bash", **variables: str) -> list[str]:
    """What the shell's script asks of `etrm` for a line, and gets."""
    words = line.split(" ")
    asked = {"_ETRM_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_ARGS": line}
    asked |= {
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    done = subprocess.run(
        [sys.executable, "-m", "backend.cli"],
        env=environment(home, **asked, **variables),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_commands_options_and_ids_are_completed(home: Path, shell: str) -> None:
    run = queue(home, "train", "quick", "--queue", "--set", "name=first")
    output(home, "dashboard", "create", f"Shell {shell}")
    for line, expected in (
        ("etrm evalu", {"evaluate", "evaluation"}),
        ("etrm runs --js", {"--json"}),
        (f"etrm run show {run[:5]}", {run}),
        (f"etrm compare {run} {run[:5]}", {run}),
        ("etrm train quick_sl", {"quick_slots"}),
        (f"etrm dashboard show shell-{shell[:2]}", {f"shell-{shell}"}),
        ("etrm run show nosuch", set()),
    ):
        answer = completed(home, line, shell)
        if shell == "zsh":  # "value":"help" in the arguments of a function of zsh
            answer = [each.partition('"')[2].partition('"')[0] for each in answer]
        else:
            answer = [each.partition("\t")[0] for each in answer]
        assert {each for each in answer if each} == expected, line


def test_a_real_bash_completes(home: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "etrm"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m backend.cli "$@"\n')
    program.chmod(0o755)
    typed = (
        'eval "$script"; COMP_WORDS=(etrm run che); COMP_CWORD=2; _etrm_completion etrm; echo "$COMPREPLY"'
    )
    variables = environment(home, PYTHONPATH=os.pathsep.join(sys.path), _ETRM_COMPLETE="source_bash")
    variables["PATH"] = f"{program.parent}{os.pathsep}{variables['PATH']}"
    script = subprocess.run(["etrm"], env=variables, capture_output=True, text=True, check=True).stdout
    del variables["_ETRM_COMPLETE"]
    done = subprocess.run(
        ["bash", "-c", typed], env=variables | {"script": script}, capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("checkpoints\n", "")


def test_ids_come_from_a_lab_elsewhere(labs: Labs) -> None:
    nowhere = labs.folder / "elsewhere"
    by_url = {"ETRM_URL": labs.server.url, "ETRM_TOKEN": labs.server.token}
    job = str(record_evaluation_job(labs.engine, ended(labs)))
    for line, expected in (("etrm run show ", labs.names["run"]), ("etrm evaluation show ", job)):
        # A machine with much else to do may take longer than a shell waits.
        eventually(lambda line=line, expected=expected: expected in completed(nowhere, line, **by_url), line)
    assert completed(nowhere, "etrm run show ", ETRM_URL=labs.server.url, ETRM_TOKEN="wrong") == [""]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize("line", ["etrm ru", "etrm runs --", "etrm run show "])
def test_it_loads_nothing_that_takes_long(
    home: Path, line: str, shell: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue(home, "train", "quick", "--queue")
    monkeypatch.setenv("_ETRM_COMPLETE", f"complete_{shell}")
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", line)
    monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(line.count(" ")))
    modules = loaded(home, "-m", "backend.cli")
    assert "backend.terminal.completion" in modules
    assert modules & HEAVY == set()


def test_the_help_says_how_to_install_it(home: Path) -> None:
    assert "--install-completion" in output(home, "--help")
