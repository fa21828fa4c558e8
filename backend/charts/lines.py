"""What a chart draws: curves of one run or of many, and where their points lie on the x axis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from backend.charts.smoothing import Values
from backend.metrics.points import Points
from backend.metrics.pyramid.buckets import Buckets, of_points, recorded
from backend.metrics.pyramid.queries import StepRange
from backend.metrics.service import Curve
from backend.run_view.views import RunView

Axis = Literal["step", "samples", "epoch", "time", "wall"]
TIMED: tuple[Axis, ...] = ("time", "wall")  # the axes on which a point's moment counts
SHADES = 4  # of one hue, for variations of one variant


@dataclass(frozen=True)
class Clock:
    """How a run's steps and moments become places on an axis; None where the run does not say."""

    started: float = 0.0  # seconds since the epoch, from which relative time counts
    samples_per_step: float | None = None
    epochs_per_step: float | None = None

    def xs(self, axis: Axis, points: Points) -> Values:
        """Places (n,) of the points: steps, samples, epochs, seconds since the start or since 1970."""
        if axis in TIMED:
            zero = self.started if axis == "time" else 0.0
            return np.asarray(points.times / 1000 - zero, dtype=np.float64)
        return np.asarray(points.steps * self.per_step(axis), dtype=np.float64)

    def per_step(self, axis: Axis) -> float:
        """Units of the axis in one step; a run that does not know counts its steps."""
        known = {"samples": self.samples_per_step, "epoch": self.epochs_per_step}.get(axis)
        return 1.0 if known is None else known


def clock_of(run: RunView, set_sizes: Mapping[str, int]) -> Clock:
    """A step takes one batch; an epoch is as many samples as there are training tasks."""
    started = run.started_at or run.created_at
    if run.experiment is None:
        return Clock(started)
    batch, data = float(run.experiment.training.batch_size), run.experiment.data
    tasks = sum(set_sizes.get(name, 0) for name in data.training_sets)
    chosen = len(data.task_ids) or data.first_tasks or tasks
    tasks = min(tasks, chosen) if tasks else chosen
    return Clock(started, batch, batch / tasks if tasks else None)


@dataclass(frozen=True)
class Seeds:
    """Of how many seeds a line is the mean: `numbers` (n,) from each of `steps` (n,) on, out of `of`."""

    label: str  # of the configuration
    of: int
    steps: tuple[int, ...]
    numbers: tuple[int, ...]


def seeds_label(label: str, n: int, of: int) -> str:
    """`slots (n = 1 of 5)`: a configuration, and how many of its seeds have values; the browser says the same
    of a single step (chart.js)."""
    return f"{label} (n = {n} of {of})" if n < of else f"{label} (n = {n})"


@dataclass(frozen=True)
class Line:
    """One curve of a chart. `key` tells it apart from the others and stays the same while the page lives."""

    key: str
    run: str
    metric: str
    name: str
    colour: str  # a name in tokens.css
    curve: Curve
    clock: Clock = Clock()
    shade: int = 0  # 0: the hue itself; further ones lie nearer to the ink
    dash: str = "solid"
    band: tuple[Curve, Curve] | None = None  # least and greatest over the seeds
    seeds: Seeds | None = None  # of a mean over several


@dataclass(frozen=True)
class Window:
    """What part of the curves to draw, and how."""

    low: float | None = None  # in units of the axis, both inclusive
    high: float | None = None
    smoothing: float = 0.0  # decay of the moving average per point
    log: bool = False
    axis: Axis = "step"


WHOLE = Window()


def inside(points: Points, clock: Clock, window: Window) -> NDArray[np.bool_]:
    """(n,) which points are in the window, with those beyond its edges that lines into it start from.
    Moments may go back."""
    keep = np.ones(len(points), dtype=bool)
    if (window.low is None and window.high is None) or not len(points):
        return keep
    xs = clock.xs(window.axis, points)
    low = -np.inf if window.low is None else window.low
    high = np.inf if window.high is None else window.high
    crosses = (np.minimum(xs[:-1], xs[1:]) <= high) & (np.maximum(xs[:-1], xs[1:]) >= low)
    keep = (xs >= low) & (xs <= high)
    keep[:-1] |= crosses
    keep[1:] |= crosses
    return keep


def buckets_of(curve: Curve) -> Buckets:
    """The curve in buckets; one for each point, unless it was read in larger ones."""
    return of_points(points_of(curve), 0) if curve.buckets is None else curve.buckets


def steps_shown(buckets: Buckets, clock: Clock, window: Window) -> StepRange | None:
    """The steps of those buckets that the window shows, from the first of one on; None for all or none."""
    steps = np.append(buckets.first_steps, buckets.ends.steps[1:])
    points = recorded(buckets)
    moments = np.interp(steps, points.steps, points.times)
    shown = np.flatnonzero(inside(Points(steps, moments.astype(np.int64), moments), clock, window))
    if not len(shown) or len(shown) == len(steps):
        return None
    first, after = int(shown[0]), int(shown[-1]) + 1
    return int(steps[first]), int(steps[after]) - 1 if after < len(buckets) else None


def points_of(curve: Curve) -> Points:
    """The curve as points, its moments in milliseconds."""
    return Points(curve.steps, np.round(curve.wall_times * 1000).astype(np.int64), curve.values)
