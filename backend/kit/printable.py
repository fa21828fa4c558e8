"""Text of anybody's for a terminal: no character in it moves the cursor, changes colours or hides others."""

from __future__ import annotations

import re

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
