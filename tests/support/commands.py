"""The `etrm` command as a user types it: what it prints, what it refuses, the run it queues."""

from __future__ import annotations

import io
import os
import re
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from subprocess import CompletedProcess
from typing import NoReturn

import pytest

from backend import cli
from backend.kit.exit_codes import ExitCode
from tests.support.lab import environment, etrm

REFUSALS = {ExitCode.FAILED, ExitCode.NOT_FOUND, ExitCode.NOT_ALLOWED, ExitCode.UNAVAILABLE}


class BecomesAnother(BaseException):
    """The command would replace this process by the worker's."""


def typed(home: Path, *arguments: str, **variables: str) -> CompletedProcess[str]:
    """Run an `etrm` command on the folder `home` in this process, which spares the imports of a new one.

    A command that replaces its process by the worker's is run in a process of its own.
    """

    def replace(*_: object) -> NoReturn:
        raise BecomesAnother

    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        for name in set(os.environ) - environment(home).keys():
            patch.delenv(name)
        for name, value in environment(home, **variables).items():
            patch.setenv(name, value)
        for name in {"ETRM_BROKER_URL", "ETRM_URL", "ETRM_TOKEN"} - variables.keys():
            patch.setenv(name, "")  # a command may set it, and what was patched is undone
            patch.delenv(name)
        patch.setattr(os, "execv", replace)
        patch.setattr(sys, "argv", ["etrm", *arguments])
        try:
            cli.main()
            status = 0
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
            if isinstance(ended.code, str):
                print(ended.code, file=err)
        except BecomesAnother:
            return etrm(home, *arguments, **variables)
    return CompletedProcess(["etrm", *arguments], status, out.getvalue(), err.getvalue())


def output(home: Path, *arguments: str) -> str:
    """Standard output of a command that must succeed."""
    done = typed(home, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refusal(home: Path, *arguments: str, status: int | None = None, **variables: str) -> str:
    """Standard error of a command that must fail without a traceback and print nothing else; without a
    `status` with any code but those of wrong usage and Ctrl-C."""
    done = typed(home, *arguments, **variables)
    assert done.returncode in REFUSALS if status is None else done.returncode == status, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.stderr


def queue(home: Path, *arguments: str) -> str:
    """Queue a run; its id."""
    found = re.search(r"[Qq]ueued run ([a-z0-9]{10})", output(home, *arguments))
    assert found
    return found[1]
