"""The numbers of a test as drawings: intervals and seeds along an axis, the result with its bar."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from backend.charts import scale
from backend.charts.tick_labels import y_labels
from backend.study.views import SampleView, TestView

Unit = Literal["points", "share", "number"]

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
    """A drawing of WIDTH x HEIGHT: places along the axis. `low` and `high` are None without an interval,
    `bar` is None where none is to be met, `zero` where nothing is drawn there."""

    value: float
    low: float | None
    high: float | None
    bar: float | None
    seeds: Sequence[float]
    ticks: Sequence[Tick]
    verdict: str = ""
    zero: float | None = None
    about: str = ""  # in words; empty where the words beside it say it
    width: float = WIDTH
    height: float = HEIGHT
    left: float = SIDE
    right: float = WIDTH - SIDE
    middle: float = MIDDLE
    bottom: float = BOTTOM


@dataclass(frozen=True)
class Drawing:
    """Of a test: its result, and of a difference both sides on one axis. None: not measured yet.
    `overview` is the result on the axis that all claims share, None where its unit is another one."""

    result: Strip | None
    samples: Sequence[Strip | None] = ()
    overview: Strip | None = None


def drawn(test: TestView) -> Drawing:
    """What there is of a test."""
    return Drawing(_result(test), _samples(test) if test.minus else (), _overview(test))


def _result(test: TestView) -> Strip | None:
    if test.value is None:
        return None
    seeds = [] if test.minus else test.samples[0].values
    axis = _Axis([*_numbers(test.value, test.low, test.high, test.bar), *seeds], test.unit)
    return Strip(
        value=axis.x(test.value),
        low=None if test.low is None else axis.x(test.low),
        high=None if test.high is None else axis.x(test.high),
        bar=axis.x(test.bar),
        seeds=[axis.x(value) for value in seeds],
        ticks=axis.ticks,
        verdict=test.verdict,
        about=f"{test.asks}: {test.words}, {test.verdict}",
    )


def _overview(test: TestView) -> Strip | None:
    """From -100 % to 100 %, so that one row can be held against another."""
    if test.value is None or test.low is None or test.high is None or test.unit == "number":
        return None
    axis = _Axis([-1.0, 1.0], test.unit)
    return Strip(
        value=axis.x(test.value),
        low=axis.x(max(test.low, -1.0)),
        high=axis.x(min(test.high, 1.0)),
        bar=axis.x(test.bar),
        seeds=(),
        ticks=(),
        verdict=test.verdict,
        zero=axis.x(0.0),
    )


def _samples(test: TestView) -> list[Strip | None]:
    """Both sides; the axis is labelled under the last one."""
    ends = [end for sample in test.samples for end in _ends(sample)]
    if not ends:
        return [None for _ in test.samples]
    axis = _Axis(ends, "share" if test.unit == "points" else "number")
    last = max(at for at, sample in enumerate(test.samples) if sample.mean is not None)
    return [_sample(sample, axis, at == last) for at, sample in enumerate(test.samples)]


def _sample(sample: SampleView, axis: _Axis, is_labelled: bool) -> Strip | None:
    if sample.mean is None:
        return None
    return Strip(
        value=axis.x(sample.mean),
        low=None if sample.low is None else axis.x(sample.low),
        high=None if sample.high is None else axis.x(sample.high),
        bar=None,
        seeds=[axis.x(value) for value in sample.values],
        ticks=axis.ticks if is_labelled else (),
        height=HEIGHT if is_labelled else BOTTOM,
    )


def _ends(sample: SampleView) -> Iterator[float]:
    yield from _numbers(sample.mean, sample.low, sample.high)
    yield from sample.values


def _numbers(*values: float | None) -> Iterator[float]:
    return (value for value in values if value is not None)


class _Axis:
    """From the least to the greatest of some values."""

    def __init__(self, values: Sequence[float], unit: Unit) -> None:
        self._low, self._high = scale.padded(min(values), max(values))
        inside = [at for at in scale.ticks(self._low, self._high, TICKS) if self._low <= at <= self._high]
        self.ticks = [Tick(self.x(at), text) for at, text in zip(inside, _labels(unit, inside), strict=True)]

    def x(self, value: float) -> float:
        return round(SIDE + (WIDTH - 2 * SIDE) * (value - self._low) / (self._high - self._low), 1)


def _labels(unit: Unit, ticks: Sequence[float]) -> list[str]:
    if unit == "points":
        return [f"{100 * tick:+g}".replace("-", scale.MINUS) if tick else "0" for tick in ticks]
    return y_labels(unit, ticks)
