"""Text from outside: what no text may hold, and which field holds it.

A lone surrogate can be taken in as JSON and written out nowhere; PostgreSQL stores no NUL; other control
characters move a terminal's cursor. Line breaks and tabs belong only where people write several lines.
"""

from __future__ import annotations

import math
import re
from collections.abc import Container, Iterator
from typing import Any

from backend.kit.errors import FieldProblem

MAX_DEPTH = 32  # objects and lists inside one another
MAX_PROBLEMS = 20  # as many are named at once
NOT_FINITE = "must be a finite number, at most 1.8e308."
# Fields in which people write lines, and configs of other programs, which are theirs.
MULTI_LINE = frozenset(
    {"notes", "text", "claim", "about", "would_change", "cause", "changes", "config", "config_json"}
)

_SURROGATE = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_BREAK = re.compile("[\t\n\r]")
# What prints nothing although `str.strip` leaves it: joiners, marks of direction, fillers, tags.
_INVISIBLE = re.compile(
    "[\\s\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff]*"
)


def fault(text: str, lines: bool = False) -> str:
    """What is wrong with a text, in words; "" if nothing. `lines`: it may have several lines, and tabs."""
    if text.isascii() and text.isprintable():
        return ""
    if found := _SURROGATE.search(text):
        return f"has half of a surrogate pair (\\u{ord(found[0]):04x}), which is no character."
    if found := _CONTROL.search(text) or (None if lines else _BREAK.search(text)):
        return f"has a control character (U+{ord(found[0]):04X})."
    return ""


def writable(text: str) -> str:
    """The text with halves of surrogate pairs escaped, so that it can be sent."""
    return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def trimmed(text: str) -> str:
    """The text without spaces around it; "" if nothing of it can be seen."""
    return "" if _INVISIBLE.fullmatch(text) else text.strip()


def cleaned(value: Any) -> Any:
    """A JSON value in which every half of a surrogate pair is U+FFFD: as stored by a release that took it."""
    match value:
        case str():
            return _SURROGATE.sub("\ufffd", value)
        case dict():
            return {cleaned(key): cleaned(member) for key, member in value.items()}
        case list():
            return [cleaned(member) for member in value]
    return value


def problems(value: Any, multi_line: Container[str] = MULTI_LINE, finite: bool = True) -> list[FieldProblem]:
    """What is wrong with the texts and numbers of a JSON value, keys included, each under its dotted path.

    Without `finite`, NaN and infinities are left to whoever knows what the number means.
    """
    found = (each for each in _problems(value, (), False, multi_line) if finite or each.message != NOT_FINITE)
    return [problem for _, problem in zip(range(MAX_PROBLEMS), found, strict=False)]


def _problems(
    value: Any, path: tuple[str, ...], lines: bool, multi_line: Container[str]
) -> Iterator[FieldProblem]:
    if len(path) > MAX_DEPTH:
        message = f"is nested too deeply: at most {MAX_DEPTH} objects and lists inside one another."
        yield FieldProblem(".".join(path), message)
        return
    match value:
        case str():
            if said := fault(value, lines):
                yield FieldProblem(".".join(path), said)
        case float() if not math.isfinite(value):
            yield FieldProblem(".".join(path), NOT_FINITE)
        case dict():
            for key, member in value.items():
                inner = (*path, writable(key))
                if said := fault(key):
                    yield FieldProblem(".".join(inner), f"the name {said}")
                yield from _problems(member, inner, lines or key in multi_line, multi_line)
        case list():
            for at, member in enumerate(value):
                yield from _problems(member, (*path, str(at)), lines, multi_line)
