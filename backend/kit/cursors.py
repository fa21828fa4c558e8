"""Pages of a list: a cursor names the last item shown, so that nothing is skipped while the list grows.

A cursor is the item's sort key, its parts joined by colons. The last part may contain colons.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, overload

from backend.kit.errors import InvalidInput
from backend.kit.problems import invalid_query

A = TypeVar("A", int, float, str)
B = TypeVar("B", int, float, str)
C = TypeVar("C", int, float, str)
Row = TypeVar("Row")

SEPARATOR = ":"
MAX_DIGITS = 18  # of a whole number: what fits into the 64 bits of a database's integer


def cut(
    found: Sequence[Row], limit: int, key: Callable[[Row], tuple[int | float | str, ...]]
) -> tuple[Sequence[Row], str | None]:
    """The page of at most `limit` rows, and the cursor of the next one, None on the last page.

    Ask the database for `limit + 1` rows: the one more shows that there is a next page.
    """
    shown = found[:limit]
    return shown, write(*key(shown[-1])) if len(found) > limit else None


def write(*parts: int | float | str) -> str:
    """The cursor of a sort key; `read` gives back equal parts."""
    return SEPARATOR.join(each if isinstance(each, str) else repr(each) for each in parts)


@overload
def read(cursor: str | None, first: type[A], /) -> tuple[A] | None: ...
@overload
def read(cursor: str | None, first: type[A], second: type[B], /) -> tuple[A, B] | None: ...
@overload
def read(cursor: str | None, first: type[A], second: type[B], third: type[C], /) -> tuple[A, B, C] | None: ...
def read(cursor: str | None, *kinds: type[Any]) -> tuple[Any, ...] | None:
    """The parts of a cursor, None for the first page. InvalidInput for what `write` never wrote."""
    if not cursor:
        return None
    parts = cursor.split(SEPARATOR, len(kinds) - 1)
    if len(parts) != len(kinds):
        raise invalid_cursor()
    return tuple(_part(text, kind) for text, kind in zip(parts, kinds, strict=True))


def invalid_cursor() -> InvalidInput:
    """The refusal of a cursor that no page gave."""
    hint = "Use the next_cursor of the previous page, or leave it out to start over."
    return invalid_query("cursor", "Invalid cursor.", hint)


def _part(text: str, kind: type[Any]) -> int | float | str:
    if kind is int and text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS:
        return int(text)
    if kind is float:
        try:
            number = float(text)
        except ValueError:
            raise invalid_cursor() from None
        if math.isfinite(number):
            return number
    if kind is str and text:
        return text
    raise invalid_cursor()
