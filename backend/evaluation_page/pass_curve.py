"""pass@k over k as a drawing: a step line in its 95 % band, k on a logarithmic axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from backend.scores.measured import PassView

WIDTH, HEIGHT = 420.0, 200.0
LEFT, RIGHT, TOP, BOTTOM = 44.0, 12.0, 10.0, 34.0
TICKS_OF_K = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)


@dataclass(frozen=True)
class Tick:
    """A label beside an axis."""

    at: float
    text: str


@dataclass(frozen=True)
class PassCurve:
    """Paths in a drawing of WIDTH x HEIGHT."""

    line: str
    band: str
    x: Sequence[Tick]
    y: Sequence[Tick]
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = WIDTH - RIGHT
    top: float = TOP
    bottom: float = HEIGHT - BOTTOM


def drawn(curve: Sequence[PassView], views: int) -> PassCurve | None:
    """The curve up to k = `views` (10 at least), since no more candidates can be; None if empty."""
    points = [each for each in curve if each.share is not None]
    if not points:
        return None
    last = max(10, views, *(each.k for each in points))
    top = _nice(max(each.high for each in points))

    def x(k: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * math.log(k) / math.log(last), 1)

    def y(share: float) -> float:
        return round(HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * min(share, top) / top, 1)

    ends = [x(each.k) for each in points[1:]] + [x(last)]
    upper = [(x(each.k), y(each.high), end) for each, end in zip(points, ends, strict=True)]
    lower = [(x(each.k), y(each.low), end) for each, end in zip(points, ends, strict=True)]
    line = [(x(each.k), y(each.share or 0.0), end) for each, end in zip(points, ends, strict=True)]
    back = "".join(f"L{end} {height}L{start} {height}" for start, height, end in reversed(lower))
    return PassCurve(
        line=_steps(line),
        band=f"{_steps(upper)}{back}Z",
        x=[Tick(x(k), str(k)) for k in TICKS_OF_K if k <= last],
        y=[Tick(y(top * part / 4), f"{top * part / 4 * 100:g} %") for part in range(5)],
    )


def _steps(parts: Sequence[tuple[float, float, float]]) -> str:
    """(start, height, end) of each level as one path."""
    first = f"M{parts[0][0]} {parts[0][1]}"
    return first + "".join(f"L{start} {height}H{end}" for start, height, end in parts)


def _nice(share: float) -> float:
    """The end of the axis: quarters of it are round."""
    return next(each for each in (0.04, 0.08, 0.2, 0.4, 0.6, 0.8, 1.0, math.inf) if share <= each)
