"""Intervals of measures made of scores: what of a value is luck of the tasks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

from backend.domain.hypothesis.measure import Measure


class Part(Protocol):
    """A value, with its interval where it is a score."""

    @property
    def value(self) -> float: ...
    @property
    def low(self) -> float | None: ...
    @property
    def high(self) -> float | None: ...


def interval_of(measure: Measure, parts: Sequence[Part]) -> tuple[float, float] | None:
    """The 95 % interval of a measure; None where no part is a score.

    Of a difference: Newcombe's (1998, method 10) from the intervals of both, a series counting as exact. Of
    a ratio: from the ends that lie farthest apart, which is wider than 95 % where both are scores. Scores of
    the same tasks are taken for independent, which makes the interval wider, never narrower, where they
    rise and fall together.
    """
    if all(part.low is None for part in parts):
        return None
    ends = [_ends(part) for part in parts]
    if measure.sign == "-":
        (a, b), (a_low, a_high), (b_low, b_high) = [part.value for part in parts], *ends
        low = math.hypot(a - a_low, b_high - b)
        return a - b - low, a - b + math.hypot(a_high - a, b - b_low)
    if measure.sign == "/":
        (a_low, a_high), (b_low, b_high) = ends
        quotients = [_over(a, b) for a in (a_low, a_high) for b in (b_low, b_high)]
        return min(quotients), max(quotients)
    return ends[0]


def _ends(part: Part) -> tuple[float, float]:
    if part.low is None or part.high is None:
        return part.value, part.value
    return part.low, part.high


def _over(a: float, b: float) -> float:
    return a / b if b else math.copysign(math.inf, a)
