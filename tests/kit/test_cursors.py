"""Cursors: what `write` wrote, `read` gives back, and nothing else passes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.kit import cursors
from backend.kit.errors import InvalidInput


@given(st.integers(0, 10**18 - 1), st.floats(allow_nan=False, allow_infinity=False), st.text(min_size=1))
def test_a_cursor_keeps_its_parts_exactly(number: int, moment: float, name: str) -> None:
    assert cursors.read(cursors.write(number, moment, name), int, float, str) == (number, moment, name)


@pytest.mark.parametrize("cursor", [None, ""])
def test_without_a_cursor_the_list_starts(cursor: str | None) -> None:
    assert cursors.read(cursor, int) is None


@pytest.mark.parametrize("cursor", ["x", "-1:a", "1", "1:", ":a", "9" * 19 + ":a", "1.5:a", "¹:a"])
def test_what_no_page_gave_is_an_invalid_cursor(cursor: str) -> None:
    with pytest.raises(InvalidInput, match="Invalid query") as refused:
        cursors.read(cursor, int, str)
    assert [str(each) for each in refused.value.problems] == [
        "cursor: Invalid cursor. Use the next_cursor of the previous page, or leave it out to start over."
    ]


@pytest.mark.parametrize("cursor", ["nan:a", "inf:a", "1e999:a", "x:a"])
def test_a_moment_of_a_cursor_is_finite(cursor: str) -> None:
    with pytest.raises(InvalidInput):
        cursors.read(cursor, float, str)


def test_pages_cut_by_their_cursors_hold_every_row_once() -> None:
    rows, seen, cursor = list(range(7)), list[int](), None
    for _ in rows:
        (after,) = cursors.read(cursor, int) or (-1,)
        found = [row for row in rows if row > after][:4]  # one more than the limit, as a query asks
        shown, cursor = cursors.cut(found, 3, lambda row: (row,))
        seen += shown
        if cursor is None:
            break
    assert seen == rows
