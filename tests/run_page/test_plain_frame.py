"""The fast reading of points agrees with the careful one, or leaves the body to it."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.kit.errors import InvalidInput
from backend.kit.json_text import repeated_key
from backend.run_page.plain_frame import plain_frame
from backend.run_page.series_api import _frame

NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.none(),
    st.booleans(),
    st.sampled_from(["NaN", "Infinity", "-Infinity", "1", "a:b"]),
)
COLUMNS = st.lists(NUMBERS, max_size=4)
BODIES = st.fixed_dictionaries(
    {"step": COLUMNS, "values": st.dictionaries(st.text(max_size=4), COLUMNS, max_size=3)},
    optional={"wall_time": st.one_of(st.none(), COLUMNS), "steps": COLUMNS},
)


@given(BODIES)
def test_it_reads_what_the_careful_reading_reads(body: object) -> None:
    text = json.dumps(body).encode()
    fast = plain_frame(text)
    if fast is None:
        return
    careful = _frame(text)
    assert repr([_plain(each) for each in fast.steps]) == repr([_plain(each) for each in careful.steps])
    assert fast.values.keys() == careful.values.keys()
    for name, column in fast.values.items():
        assert list(map(_plain, column)) == list(map(_plain, careful.values[name]))


def _plain(value: object) -> object:
    """A value that equals itself; orjson reads whole numbers beyond 64 bits as floats."""
    if isinstance(value, float) and math.isnan(value):
        return "nan"
    return float(value) if isinstance(value, int) and abs(value) > 2**63 - 1 else value


def test_ordinary_bodies_are_read_fast() -> None:
    frame = plain_frame(
        b'{"step": [1, 2], "values": {"a:b": [0.5, null], "c": ["NaN", 1]}, "wall_time": [1, 2]}'
    )
    assert frame is not None
    assert (frame.steps, frame.wall_times, frame.values["a:b"]) == ([1, 2], [1, 2], [0.5, None])
    assert math.isnan(frame.values["c"][0])


@pytest.mark.parametrize(
    "body",
    [
        b'{"step": [1], "values": {"loss": [1], "loss": [2]}}',
        b'{"step": [1], "values": {"a:b": [1], "a:b": [2]}}',
        b'{"step": [1], "step": [2], "values": {"loss": [1]}}',
        b'{"step": [1], "values": {"a": [1], "\\u0061": [2]}}',
    ],
)
def test_a_key_twice_is_never_read_fast(body: bytes) -> None:
    assert repeated_key(body) is not None
    assert plain_frame(body) is None


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"step": 1, "values": {}}', b'{"step": [], "values": {"a": 1}}']
)
def test_a_wrong_shape_is_left_to_words(body: bytes) -> None:
    assert plain_frame(body) is None
    with pytest.raises(InvalidInput):
        _frame(body)
