"""Axes of the Explore page."""

from __future__ import annotations

from backend.explore.scales import Axis

MORNING = 1_796_032_800.0  # 2026-11-30 10:00 UTC


def test_moments_stand_at_round_times_of_day_and_are_short() -> None:
    axis = Axis.of("created", [MORNING + 65, MORNING + 1_234])
    labels = [label for _, label in axis.ticks]
    assert labels[0].endswith(" UTC")
    assert all(len(label.removesuffix(" UTC")) == len("10:05") for label in labels)
    assert all(0 <= place <= 1 for place, _ in axis.ticks)
    assert len(labels) > 1
