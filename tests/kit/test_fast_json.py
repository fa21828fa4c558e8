"""JSON that is sent often means the same as what the standard library writes."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.kit.fast_json import dumped

# Half of a surrogate pair and whole numbers beyond 64 bits included: scripts have them in their configs.
TEXTS = st.text(st.characters(codec=None))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4)
)


@given(VALUES)
def test_it_is_read_as_it_was(value: Any) -> None:
    assert json.loads(dumped(value)) == value


@pytest.mark.parametrize("beside", [0, 2**64])
def test_arrays_are_lists_and_what_is_not_finite_is_null(beside: int) -> None:
    values = np.array([1.5, math.nan, math.inf, -math.inf, 1e-300])
    value = {"step": np.arange(3), "value": values, "alone": math.nan, "none": np.zeros(0), "beside": beside}
    expected = {"step": [0, 1, 2], "value": [1.5, None, None, None, 1e-300], "alone": None, "none": []}
    assert json.loads(dumped(value)) == expected | {"beside": beside}
