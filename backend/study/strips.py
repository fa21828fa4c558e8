"""A test as a drawing: its value with the interval that judges it, along an axis with the bar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backend.charts import scale
from backend.charts.tick_labels import y_labels
from backend.study.views import TestView

WIDTH, HEIGHT = 420.0, 46.0
SIDE, MIDDLE, BOTTOM = 26.0, 14.0, 28.0
TICKS = 4


@dataclass(frozen=True)
class Tick:
    """A label beneath the axis."""

    at: float
    text: str


@dataclass(frozen=True)
class Strip:
    """A drawing of WIDTH x HEIGHT: places along the axis. `low` and `high` are None without an interval."""

    value: float
    low: float | None
    high: float | None
    bar: float
    verdict: str
    ticks: Sequence[Tick]
    about: str
    width: float = WIDTH
    height: float = HEIGHT
    left: float = SIDE
    right: float = WIDTH - SIDE
    middle: float = MIDDLE
    bottom: float = BOTTOM


def drawn(test: TestView) -> Strip | None:
    """None until the test has a value."""
    if test.value is None:
        return None
    ends = [end for end in (test.value, test.low, test.high, test.bar) if end is not None]
    low, high = scale.padded(min(ends), max(ends))
    ticks = [each for each in scale.ticks(low, high, TICKS) if low <= each <= high]

    def x(value: float) -> float:
        return round(SIDE + (WIDTH - 2 * SIDE) * (value - low) / (high - low), 1)

    return Strip(
        value=x(test.value),
        low=None if test.low is None else x(test.low),
        high=None if test.high is None else x(test.high),
        bar=x(test.bar),
        verdict=test.verdict,
        ticks=[Tick(x(at), text) for at, text in zip(ticks, _labels(test, ticks), strict=True)],
        about=f"{test.asks}: {test.words}, {test.verdict}",
    )


def _labels(test: TestView, ticks: Sequence[float]) -> list[str]:
    if test.unit == "points":
        return [f"{100 * tick:+g}".replace("-", scale.MINUS) if tick else "0" for tick in ticks]
    return y_labels(test.unit, ticks)
