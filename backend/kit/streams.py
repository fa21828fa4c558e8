"""What commands print: text of other people cannot steer the terminal that shows it.

Names, log lines and messages come from whoever may write to the lab, or from a file. Everything that a
command prints goes through here, so that no `print` can forget it; only our own colours go past it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO, cast

from backend.kit.printable import printable

if TYPE_CHECKING:
    from rich.console import Console


class _Cleaned:
    """A text stream that spells out control characters; everything else is the stream's own."""

    def __init__(self, raw: TextIO) -> None:
        self.raw = raw

    def write(self, text: str) -> int:
        self.raw.write(printable(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.raw, name)


@contextmanager
def cleaned() -> Iterator[None]:
    """Clean standard output and standard error while the block runs."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (cast(TextIO, _Cleaned(stream)) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def console(**options: Any) -> Console:
    """A rich console on standard output, for text that is ours or `printable`: its colours are kept."""
    from rich.console import Console

    stream: Any = sys.stdout
    return Console(file=stream.raw if isinstance(stream, _Cleaned) else stream, **options)
