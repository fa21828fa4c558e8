"""A curve as traces of a figure: raw values faint, their moving average strong, several seeds as a band."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from backend.charts import scale
from backend.charts.lines import TIMED, Clock, Line, Window, buckets_of, inside, points_of
from backend.charts.smoothing import Average, Values, debiased_average, rounded
from backend.metrics.points import Points, chosen
from backend.metrics.pyramid.buckets import Buckets
from backend.metrics.thinning import thin

RAW_OPACITY = 0.3

Figure = dict[str, Any]


class Trace:
    """One curve: a faint line through the raw points and a strong one through their average.

    `points` are recorded ones, with every extreme among them. `least`, `greatest` and `counts` sum up all
    finite points, each by itself unless the curve is long.
    """

    def __init__(self, line: Line, window: Window, most: int) -> None:
        self.line, self.window, self.most = line, window, most
        every, buckets = points_of(line.curve), buckets_of(line.curve)
        self.nan = within(buckets.marks, line.clock, window)
        self.nan_count = _not_finite(buckets, self.nan)
        points = every[chosen(np.isfinite(every.values))]
        there = chosen(buckets.finite > 0)
        least, greatest, counts = buckets.least[there], buckets.greatest[there], buckets.finite[there]
        means = buckets.means[there].clip(least.values, greatest.values)
        self.means = means
        self.weights = None if line.curve.buckets is None else counts  # how often each mean counts
        self.average: Average = debiased_average(means, window.smoothing, self.weights)
        ends = _later(least, greatest)
        ends.steps[-1:], ends.times[-1:] = points.steps[-1:], points.times[-1:]
        self.ends, self.shown = ends, chosen(inside(ends, line.clock, window))
        shown = self.shown
        self.smoothed = Points(ends.steps, ends.times, self.average.values)[shown]
        self.points = within(points, line.clock, window)
        self.least, self.greatest = least.values[shown], greatest.values[shown]
        self.counts = counts[shown]

    @property
    def low(self) -> Points:
        """Points that a logarithmic axis has no place for."""
        return self.points[self.points.values <= 0] if self.window.log else self.points[:0]

    @property
    def low_count(self) -> int:
        """How many there are."""
        return self.outside(np.nextafter(0.0, 1.0), np.inf) if self.window.log else 0

    def outside(self, low: float, high: float) -> int:
        """How many values are less than `low` or greater than `high`: exact for single points; of a bucket
        that reaches out its extremes are counted."""
        whole = (self.least > high) | (self.greatest < low)
        reaching = (self.least < low).astype(np.int64) + (self.greatest > high)
        return int(np.where(whole, self.counts, reaching).sum())

    def usual(self) -> tuple[Values, Values]:
        """(n,), (n,): between which values the points of each bucket mostly lie. Where a far point moves one
        of its ends, the other end and the usual length still tell."""
        least, greatest = (each.clip(-scale.LIMIT, scale.LIMIT) for each in (self.least, self.greatest))
        if self.line.curve.buckets is None or not len(least):
            return least, greatest
        length = np.median(greatest - least)
        return greatest - length, least + length

    def traces(self) -> list[Figure]:
        return [*self._band(), self.raw(), self.smooth()]

    def raw(self) -> Figure:
        curve = self.line.curve
        thinned = len(self.points) > self.most or curve.total > len(curve.steps)
        shown = thin(self.points, self.most)
        seeds = {"seeds": asdict(self.line.seeds)} if self.line.seeds else {}
        return self._line(shown, 1.0, {"role": "raw", "thinned": thinned, **seeds}, opacity=RAW_OPACITY)

    def smooth(self) -> Figure:
        state = {"mean": self.average.mean, "weight": self.average.weight}
        trace = self._line(thin(self.smoothed, self.most // 2), 1.75, {"role": "smooth", "average": state})
        trace["line"]["dash"] = self.line.dash
        return trace

    def _band(self) -> list[Figure]:
        """The room between the least and the greatest of the seeds, as two lines with a fill between.

        It holds their average, too: so the line between them, which lags behind, never leaves it.
        """
        edges = []
        for edge, fill in zip(self.edges(), ("none", "tonexty"), strict=False):
            points = Points(self.ends.steps, self.ends.times, edge)[self.shown]
            drawn = self._line(thin(points, self.most // 2), 0.0, {"role": "band"})
            edges.append({**drawn, "fill": fill})
        return edges

    def edges(self) -> list[Values]:
        """(n,), (n,): the least and the greatest of the seeds, as recorded and averaged; none for one run."""
        return [
            further(curve.values, debiased_average(curve.values, self.window.smoothing, self.weights).values)
            for curve, further in zip(self.line.band or (), (np.minimum, np.maximum), strict=False)
        ]

    def _line(self, points: Points, width: float, meta: Figure, opacity: float = 1.0) -> Figure:
        line = self.line
        trace = {
            "type": "scatter",
            "mode": "lines",
            "name": line.name,
            "x": points.steps.tolist(),
            "y": rounded(points.values).tolist(),
            "line": {"width": width, "shape": "linear", "simplify": False},
            "opacity": opacity,
            "hoverinfo": "skip",
            "meta": {
                "key": line.key,
                "run": line.run,
                "metric": line.metric,
                "colour": line.colour,
                "shade": line.shade,
                **meta,
            },
        }
        return trace | _moments(points, self.window)


def _moments(points: Points, window: Window) -> Figure:
    """Their moments, where the axis asks for them."""
    return {"customdata": (points.times / 1000).tolist()} if window.axis in TIMED else {}


def _not_finite(buckets: Buckets, shown: Points) -> int:
    """How many points are NaN or infinite in the buckets that have some of their marks shown."""
    own = np.searchsorted(buckets.first_steps, shown.steps, side="right") - 1
    return int((buckets.counts - buckets.finite)[np.unique(own)].sum())


def _later(a: Points, b: Points) -> Points:
    """Of each pair of points the later."""
    is_later = b.steps > a.steps
    return Points(
        np.where(is_later, b.steps, a.steps),
        np.where(is_later, b.times, a.times),
        np.where(is_later, b.values, a.values),
    )


def within(points: Points, clock: Clock, window: Window) -> Points:
    """The points that the window shows."""
    return points[chosen(inside(points, clock, window))]
