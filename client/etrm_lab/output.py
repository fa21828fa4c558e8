"""What the client tells whoever runs the script: on standard error, each thing once."""

from __future__ import annotations

import sys
from contextlib import suppress

_told: set[str] = set()


def tell(text: str) -> None:
    """Print one line. A script whose standard error is closed continues."""
    with suppress(Exception):  # whatever became of it: a training must not end for a message
        print(f"etrm_lab: {text}", file=sys.stderr, flush=True)


def tell_once(text: str, about: str = "") -> None:
    """Print one line, unless something was told `about` the same before."""
    if (about or text) not in _told:
        _told.add(about or text)
        tell(text)


def left_out(call: str, instead: str) -> None:
    """Tell once that a call of W&B's has no effect here, and what there is instead."""
    tell_once(f"{call} has no effect here. {instead}")
