"""Thinning: fewer points, every extreme."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from backend.metrics.points import Points
from backend.metrics.thinning import MIN_POINTS, thin


def points(values: np.ndarray) -> Points:
    n = len(values)
    return Points(np.arange(n) * 10, np.arange(n) * 1000, values)


@given(
    n=st.integers(1, 5000),
    max_points=st.integers(MIN_POINTS, 2000),
    spikes=st.dictionaries(st.integers(0, 4999), st.floats(-1e6, 1e6), max_size=5),
    bad=st.dictionaries(st.integers(0, 4999), st.sampled_from([math.nan, math.inf, -math.inf]), max_size=5),
)
def test_ends_extremes_and_divergence_survive_at_any_number_of_points(
    n: int, max_points: int, spikes: dict[int, float], bad: dict[int, float]
) -> None:
    values = np.sin(np.arange(n) / 50)
    for place, value in {**spikes, **bad}.items():
        values[place % n] = value
    given_points = points(values)
    thinned = thin(given_points, max_points)
    finite, kept = values[np.isfinite(values)], thinned.values[np.isfinite(thinned.values)]
    assert len(thinned) <= max_points
    assert np.all(np.diff(thinned.steps) > 0)
    assert (thinned.steps[0], thinned.steps[-1]) == (given_points.steps[0], given_points.steps[-1])
    assert np.array_equal(values[thinned.steps // 10], thinned.values, equal_nan=True)
    if len(finite):
        assert (kept.min(), kept.max()) == (finite.min(), finite.max())
    assert np.isfinite(values).all() == np.isfinite(thinned.values).all()


def test_every_lone_spike_survives_while_there_is_a_bucket_for_each() -> None:
    generator = np.random.default_rng(1)
    for _ in range(50):
        values = generator.normal(size=100_000)
        spikes = np.arange(40) * 2500 + generator.integers(0, 2500, size=40)
        values[spikes] = generator.choice([-50.0, 50.0], size=40)
        thinned = thin(points(values), max_points=82)  # 40 buckets of 2,500 points
        assert np.isin(spikes * 10, thinned.steps).all()


def test_a_divergence_keeps_its_first_step() -> None:
    values = np.ones(100_000)
    values[70_123:] = math.nan
    thinned = thin(points(values), max_points=100)
    assert thinned.steps[np.isnan(thinned.values)][0] == 701_230


def test_few_points_are_left_as_they_are() -> None:
    few = points(np.arange(50.0))
    assert thin(few, 50) is few
