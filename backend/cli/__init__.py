"""The `etrm` command. Every command imports what it needs when it runs: `etrm --help` must not wait."""

from __future__ import annotations

import sys

from backend.cli.app import app
from backend.terminal.program import run

__all__ = ["app", "main"]


def main() -> None:
    """Run the command line and leave with its exit code; an error is told without a traceback."""
    sys.exit(run(app))
