"""Lists in one line: what separates may be part of a name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.kit.lists import as_text, items_of

NAMES = st.lists(st.text("ab1,\"\\ '[]()\nmetric", min_size=1, max_size=8), max_size=4)


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("1,3,5th_go_down", ["1,3,5th_go_down"]),
        ("007bbfb7, 1,3,5th_go_down", ["007bbfb7", "1,3,5th_go_down"]),
        ("a\nb c", ["a", "b c"]),
        ('"a, b", c', ["a, b", "c"]),
        ('["a, b", "c"]', ["a, b", "c"]),
        ("", []),
    ],
)
def test_an_id_with_commas_stays_one_id(text: str, items: list[str]) -> None:
    assert items_of(text, spaced=True) == items


def test_names_in_an_address_are_separated_by_commas() -> None:
    assert items_of('loss,accuracy/token, "a,b",metric("step")') == ["loss", "accuracy/token", "a,b", "step"]


@given(NAMES, st.booleans())
def test_any_names_are_read_back(names: list[str], spaced: bool) -> None:
    assert items_of(as_text(names, spaced), spaced) == names
