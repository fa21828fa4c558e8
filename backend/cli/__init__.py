"""The `etrm` command. Every command imports what it needs when it runs: `etrm --help` must not wait."""

from __future__ import annotations

import sys

from backend.cli.app import app
from backend.kit.arguments import check_arguments
from backend.kit.errors import EtrmError
from backend.kit.streams import cleaned

__all__ = ["app", "main"]


def main() -> None:
    """Run the command line; an error of the user's is told in words, without a traceback, and exits 1."""
    with cleaned():
        try:
            check_arguments(sys.argv[1:])
            app()
        except EtrmError as error:
            print(f"Error: {error}", file=sys.stderr)
            sys.exit(1)
