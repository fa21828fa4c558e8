"""Random draws of a sweep: the same definition draws the same values anywhere."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from random import Random
from typing import Any

from backend.domain.sweeps.definition import Span, Sweep
from backend.domain.sweeps.fields import is_whole

TRIES_PER_DRAW = 50
DIGITS = 4  # of a drawn number: enough to tell two apart, and a config that a person can read


def draws(sweep: Sweep) -> Iterator[dict[str, Any]]:
    """Values by path, one draw after the other, until far more were tried than the sweep asks for."""
    random = Random(sweep.draw_seed)
    for _ in range((sweep.count or 0) * TRIES_PER_DRAW):
        yield _draw(sweep.random, random)


def _draw(axes: Mapping[str, Any], random: Random) -> dict[str, Any]:
    return {
        path: _in_span(axis, path, random.random())
        if isinstance(axis, Span)
        else axis[int(random.random() * len(axis))]
        for path, axis in axes.items()
    }


def takes_whole(span: Span, path: str) -> bool:
    """Whether only whole numbers of the span can be drawn for a path."""
    return span.integer or (span.integer is None and is_whole(path))


def rounded(span: Span, value: float) -> float:
    """A number of the span in few digits."""
    return min(span.high, max(span.low, float(f"{value:.{DIGITS}g}")))


def _in_span(span: Span, path: str, share: float) -> float | int:
    """The number at `share` (0 to 1) of a span."""
    whole = takes_whole(span, path)
    if span.step is not None:
        low = math.ceil(span.low) if whole else span.low
        step = max(1, round(span.step)) if whole else span.step
        steps = math.floor((span.high - low) / step + 1e-9)
        return low + min(steps, int(share * (steps + 1))) * step
    if whole:
        return _whole(math.ceil(span.low), math.floor(span.high), span.log, share)
    if span.log:
        value = math.exp(math.log(span.low) + share * (math.log(span.high) - math.log(span.low)))
    else:
        value = span.low + share * (span.high - span.low)
    return rounded(span, value)


def _whole(low: int, high: int, log: bool, share: float) -> int:
    """A whole number; on a logarithmic scale each stands for the half around it."""
    if not log:
        return min(high, low + int(share * (high - low + 1)))
    first, last = math.log(max(low - 0.5, 0.5)), math.log(high + 0.5)
    return min(high, max(low, round(math.exp(first + share * (last - first)))))
