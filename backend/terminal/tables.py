"""Plain tables for terminals: columns aligned, nothing cut, so that they can be piped."""

from __future__ import annotations

from collections.abc import Sequence

from backend.kit.streams import one_line


def show(heads: Sequence[str], rows: Sequence[Sequence[str]], empty: str) -> None:
    """Print `rows` under `heads`, or the sentence `empty` when there are none."""
    if not rows:
        print(empty)
        return
    rows = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(heads, *rows, strict=True)]
    for row in (heads, *rows):
        print("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
