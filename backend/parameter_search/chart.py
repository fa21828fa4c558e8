"""Best value over trials as a drawing: each trial with its interval, a step line along the best so far."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from backend.charts import scale
from backend.charts.tick_labels import y_labels
from backend.parameter_search.views import ParameterSearchView, TrialView

WIDTH, HEIGHT = 640.0, 240.0
LEFT, RIGHT, TOP, BOTTOM = 64.0, 12.0, 12.0, 36.0

Place = Callable[[float], float]  # a value -> where it lies in the drawing


@dataclass(frozen=True)
class Tick:
    """A label beside an axis."""

    at: float
    text: str


@dataclass(frozen=True)
class Point:
    """A trial. `low` and `high` are the ends of its whisker; None without an interval."""

    number: int
    x: float
    y: float
    low: float | None
    high: float | None
    status: str
    words: str


@dataclass(frozen=True)
class BestSoFar:
    """A drawing of WIDTH x HEIGHT."""

    points: Sequence[Point]
    line: str  # the path along the best so far; empty before there is one
    x: Sequence[Tick]
    y: Sequence[Tick]
    about: str
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = WIDTH - RIGHT
    bottom: float = HEIGHT - BOTTOM


def drawn(view: ParameterSearchView) -> BestSoFar | None:
    """The trials that have a value; None before there is one."""
    measured = [trial for trial in view.trials if trial.estimate]
    values = [value for trial in measured for value in _values(trial)]
    if not values:
        return None
    low, high = scale.padded(min(values), max(values))
    ticks = [each for each in scale.ticks(low, high, scale.Y_TICKS) if low <= each <= high]
    last = max(2, view.trials[-1].number)

    def x(trial: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * (trial - 0.5) / last, 1)

    def y(value: float) -> float:
        return round(TOP + (HEIGHT - BOTTOM - TOP) * (high - value) / (high - low), 1)

    unit = "share" if view.definition.is_share else "number"
    return BestSoFar(
        points=[_point(trial, x, y) for trial in measured],
        line=_line(view, measured, x, y),
        x=[Tick(x(at), f"{at:g}") for at in scale.ticks(1, last, scale.X_TICKS) if at >= 1 and at % 1 == 0],
        y=[Tick(y(at), text) for at, text in zip(ticks, y_labels(unit, ticks), strict=True)],
        about=_about(view),
    )


def _values(trial: TrialView) -> Iterator[float]:
    """What of a trial must fit on the axis."""
    if trial.estimate:
        ends = (trial.estimate.mean, trial.estimate.low, trial.estimate.high)
        yield from (end for end in ends if end is not None)


def _point(trial: TrialView, x: Place, y: Place) -> Point:
    reached = trial.estimate
    assert reached
    return Point(
        number=trial.number,
        x=x(trial.number),
        y=y(reached.mean),
        low=None if reached.low is None else y(reached.low),
        high=None if reached.high is None else y(reached.high),
        status=trial.status,
        words=f"Trial {trial.number}, {trial.status}: {reached.words}",
    )


def _line(view: ParameterSearchView, measured: Sequence[TrialView], x: Place, y: Place) -> str:
    """Along the best mean of the trials so far that were neither pruned nor ended early."""
    path, best = "", None
    for trial in measured:
        if trial.status not in ("running", "complete") or trial.estimate is None:
            continue
        mean = trial.estimate.mean
        if best is None:
            path, best = f"M{x(trial.number)} {y(mean)}", mean
        elif (mean > best) == (view.better == "higher") and mean != best:
            path, best = f"{path}H{x(trial.number)}V{y(mean)}", mean
    return f"{path}H{x(view.trials[-1].number + 0.5)}" if path else ""


def _about(view: ParameterSearchView) -> str:
    best = view.best_trial
    if best is None or best.estimate is None:
        return f"{view.definition.objective} by trial; there is no best trial yet"
    return f"{view.definition.objective} by trial; the best is trial {best.number}: {best.estimate.words}"
