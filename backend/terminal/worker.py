"""Commands that need torch: the process becomes `python -m worker`."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from backend.kit import output


def become_worker(*arguments: str) -> NoReturn:
    """Replace this process: signals and the exit status are then the worker's own."""
    from backend.terminal.lab import settings

    settings()
    sys.stdout.flush()
    options = [output.OPTION] if output.is_json() else []
    os.execv(sys.executable, [sys.executable, "-m", "worker", *options, *arguments])
