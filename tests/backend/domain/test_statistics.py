"""Means over seeds against values from published tables."""

from __future__ import annotations

import pytest

from backend.domain.statistics import mean_of, student_t


@pytest.mark.parametrize(
    ("freedom", "quantile"),
    [(1, 12.7062047), (2, 4.3026527), (3, 3.1824463), (4, 2.7764451), (9, 2.2621572), (30, 2.0422725)],
)
def test_the_quantile_is_that_of_the_tables(freedom: int, quantile: float) -> None:
    assert student_t(freedom) == pytest.approx(quantile, abs=1e-7)


def test_many_degrees_of_freedom_come_near_the_normal_distribution() -> None:
    assert student_t(100_000) == pytest.approx(1.95996, abs=1e-4)


def test_a_mean_has_the_interval_of_its_scatter() -> None:
    found = mean_of([1.0, 2.0, 3.0, 4.0])
    assert found is not None
    assert (found.n, found.mean) == (4, 2.5)
    half = 3.1824463 * 1.2909944 / 2  # t, deviation, square root of n
    assert (found.low, found.high) == pytest.approx((2.5 - half, 2.5 + half))


def test_one_value_has_no_interval_and_none_no_mean() -> None:
    found = mean_of([0.3])
    assert found is not None
    assert (found.mean, found.low, found.high) == (0.3, None, None)
    assert mean_of([]) is None
