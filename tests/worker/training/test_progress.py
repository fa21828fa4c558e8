"""The time left follows the recent speed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from worker.training.progress import Meter


def clock(*times: float) -> Iterator[float]:
    return iter(times)


def test_no_time_left_is_given_before_anything_is_done() -> None:
    times = clock(0.0, 1.0)
    assert Meter("training", 100, clock=lambda: next(times)).mark(0).seconds_left is None


def test_the_time_left_is_what_remains_at_the_recent_speed() -> None:
    times = clock(0.0, 2.0)
    progress = Meter("training", 100, done=50, clock=lambda: next(times)).mark(60)
    assert (progress.done, progress.total) == (60, 100)
    assert progress.seconds_left == pytest.approx(8.0)


def test_a_change_of_speed_is_followed_and_the_end_has_no_time_left() -> None:
    now = 0.0
    meter = Meter("evaluating", 1000, clock=lambda: now)
    for done in range(1, 101):
        now += 10.0
        meter.mark(done)
    for done in range(101, 141):
        now += 0.5
        left = meter.mark(done).seconds_left
    assert left == pytest.approx(860 * 0.5)
    assert meter.mark(1000).seconds_left == 0
