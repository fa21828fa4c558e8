"""Bins that are the same for everything: counted as numpy.histogram counts, whatever the numbers."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.domain.histograms import (
    LAST,
    QUANTILES,
    Histogram,
    bounds,
    edge,
    in_order,
    of_codes,
    of_counts,
    thinned,
    title_of,
)

single = st.floats(width=32, allow_nan=True, allow_infinity=True)


def histogram_of(numbers: list[float]) -> Histogram:
    """By the leading bits of each number, one after the other."""
    codes = np.array(numbers, dtype=np.float32).view(np.uint32) >> 21
    return of_codes(np.bincount(codes, minlength=2048).tolist())


@given(st.lists(single, max_size=60))
def test_every_number_is_counted_once_in_the_bin_that_holds_it(numbers: list[float]) -> None:
    found = histogram_of(numbers)
    assert found.total == len(numbers)
    assert found.nan == sum(map(math.isnan, numbers))
    assert found.infinite == sum(map(math.isinf, numbers))
    left = Counter(float(number) for number in numbers if math.isfinite(number))
    for place, count in zip(found.bins, found.counts, strict=True):
        low, high = bounds(place)
        held = [n for n in left if low < n < high or n == (low if place > 0 else high if place < 0 else 0)]
        assert sum(left.pop(number) for number in held) == count
    assert not left


def test_counts_are_those_of_numpy_with_the_same_edges() -> None:
    draw = np.random.default_rng(0)
    numbers = (draw.standard_normal(50_000) * 10 ** draw.uniform(-20, 20, 50_000)).astype(np.float32)
    edges = [edge(place) for place in range(LAST + 2)]
    found = histogram_of(numbers.tolist())
    counts = dict(zip(found.bins, found.counts, strict=True))
    for sign in (1, -1):
        expected, _ = np.histogram(sign * numbers[np.sign(numbers) == sign].astype(float), edges)
        assert [counts.get(sign * place, 0) for place in range(1, LAST + 1)] == expected[1:].tolist()


@given(st.lists(single, max_size=40), st.lists(single, max_size=40))
def test_histograms_add_up(one: list[float], other: list[float]) -> None:
    assert histogram_of(one) + histogram_of(other) == histogram_of(one + other)


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e20])
def test_quantiles_are_exact_to_the_width_of_a_bin(scale: float) -> None:
    numbers = np.random.default_rng(1).standard_normal(20_001).astype(np.float32) * np.float32(scale)
    found = histogram_of(numbers.tolist()).quantiles()
    assert found is not None
    for value, expected in zip(found, np.quantile(numbers, QUANTILES).tolist(), strict=True):
        assert abs(value - expected) <= 0.25 * abs(expected) + 0.01 * scale
    assert Histogram((), (), nan=3).quantiles() is None
    assert of_counts({0: 5}).quantiles([0.5]) == [0.0]


@given(st.sets(st.integers(0, 10_000), min_size=1, max_size=300), st.integers(2, 100))
def test_what_is_kept_of_many_steps_is_spread_over_all_of_them(steps: set[int], kept: int) -> None:
    ordered = sorted(steps)
    found = thinned(ordered, kept)
    assert found == sorted(set(found))
    assert {found[0], found[-1]} == {ordered[0], ordered[-1]}
    assert set(found) <= steps
    assert len(found) <= kept + 1
    assert len(ordered) <= kept or len(found) > 1
    later = thinned([*ordered, 10_001], kept)
    assert set(later) - {10_001} <= set(thinned(ordered, kept)), "nothing is missed later that went before"


def test_evenly_spaced_steps_stay_evenly_spaced() -> None:
    found = thinned(range(0, 12_900, 100), 96)
    assert len(found) == 51
    assert {later - earlier for earlier, later in pairwise(found[:-1])} == {200, 300}


def test_pages_show_contexts_first_and_what_scripts_log_last() -> None:
    names = ["weights/heads", "mine", "gradients/core_2", "context/values", "weights/mine"]
    assert in_order(names) == ["context/values", "gradients/core_2", "weights/heads", "mine", "weights/mine"]
    assert title_of("gradients/core_2") == "Gradients: core, layer 2"
    assert title_of("weights/mine") == "weights/mine"
