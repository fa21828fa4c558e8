"""What commands print: text of other people cannot steer the terminal that shows it.

Names, log lines and messages come from whoever may write to the lab, or from a file. Everything that a
command prints goes through here, so that no `print` can forget it; only our own colours go past it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO, cast

from backend.kit.output import is_json

if TYPE_CHECKING:
    from rich.console import Console


_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 without tab and line feed, DEL, C1
    "\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"  # what turns the direction of text, or breaks lines
    "\ud800-\udfff]"  # halves of characters
)
_BREAK = re.compile("[\t\n]")


def printable(text: str) -> str:
    r"""The text with its control characters spelt out as JSON spells them: ESC becomes `\u001b`."""
    return _CONTROL.sub(_spelt, text)


def one_line(text: str) -> str:
    """`printable`, with tabs and line breaks spelt out as well: a name cannot forge another line."""
    return _BREAK.sub(_spelt, printable(text))


def _spelt(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


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
    """A rich console on standard output, for text that is ours or `printable`: its colours are kept.

    With --json what is printed there is a remark on standard error, without colours.
    """
    from rich.console import Console

    if is_json():
        options = {**options, "color_system": None}
    stream: Any = sys.stdout
    return Console(file=stream.raw if isinstance(stream, _Cleaned) else stream, **options)
