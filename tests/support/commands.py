"""The `etrm` command as a user types it: what it prints, what it refuses, the run it queues."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.lab import etrm


def output(home: Path, *arguments: str) -> str:
    """Standard output of a command that must succeed."""
    done = etrm(home, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refusal(home: Path, *arguments: str, status: int = 1, **variables: str) -> str:
    """Standard error of a command that must fail without a traceback and print nothing else."""
    done = etrm(home, *arguments, **variables)
    assert (done.returncode, done.stdout) == (status, ""), done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def queue(home: Path, *arguments: str) -> str:
    """Queue a run; its id."""
    found = re.search(r"[Qq]ueued run ([a-z0-9]{10})", output(home, *arguments))
    assert found
    return found[1]
