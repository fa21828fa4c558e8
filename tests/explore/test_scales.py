"""Axes of the Explore page."""

from __future__ import annotations

from backend.domain.statistics import mean_over_seeds
from backend.explore.scales import Axis, bounds

MORNING = 1_796_032_800.0  # 2026-11-30 10:00 UTC


def test_moments_stand_at_round_times_of_day_and_are_short() -> None:
    axis = Axis.of("created", [MORNING + 65, MORNING + 1_234])
    labels = [label for _, label in axis.ticks]
    assert labels[0].endswith(" UTC")
    assert all(len(label.removesuffix(" UTC")) == len("10:05") for label in labels)
    assert all(0 <= place <= 1 for place, _ in axis.ticks)
    assert len(labels) > 1


def test_a_mean_of_shares_has_an_interval_of_shares() -> None:
    """By Student's the upper end of these two would be 1.7."""
    assert [bounds(name) for name in ("pass1", "reliance/cost")] == [(0.0, 1.0), (-1.0, 1.0)]
    assert bounds("train - heldout") == bounds("loss")
    mean = mean_over_seeds([0.85, 0.98], bounds("pass1"))
    assert mean
    assert mean.high is not None
    assert mean.high <= 1
