"""The text of a filter or of an expression as tokens. Both write a name in the same ways."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

NAME = r"[A-Za-z_][\w./@:-]*"
QUOTED = r"`[^`]+`"
METRIC = r'metric\("(?:[^"\\]|\\.)*"\)(?::(?:last|min|max))?'


@dataclass(frozen=True)
class Token:
    """A piece of the text; `kind` is the group of the pattern that it matched, "end" after the last one."""

    kind: str
    text: str
    column: int  # from 1

    @property
    def as_found(self) -> str:
        """How a message about it calls it."""
        return repr(self.text) if self.text else "the end"


def tokens(pattern: re.Pattern[str], text: str, refuse: Callable[[str, int], NoReturn]) -> list[Token]:
    """The tokens of a text without its spaces (what the group `space` matches), and the end.

    Each alternative of `pattern` is a named group. `refuse(text, position)` raises where none matches.
    """
    listed: list[Token] = []
    position = 0
    while position < len(text):
        match = pattern.match(text, position)
        if match is None:
            refuse(text, position)
        if match.lastgroup != "space":
            listed.append(Token(str(match.lastgroup), match.group(), position + 1))
        position = match.end()
    return [*listed, Token("end", "", len(text) + 1)]
