"""Curves of one run or many -> a Plotly figure: raw values faint, their moving average strong.

Figures are plain dictionaries; the tests hold them against Plotly's own validation. Colours are names that
the browser turns into those of day or night. Points are placed by step and moment; the browser (and
backend/charts/static_chart.py) puts them where the chosen x axis has them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.charts import scale, tick_labels
from backend.charts.lines import TIMED, WHOLE, Axis, Clock, Line, Window, buckets_of, inside, points_of
from backend.charts.panels import Panel, title_of
from backend.charts.smoothing import Average, Values, debiased_average, rounded
from backend.domain.looks import HUES, look_of
from backend.metrics.points import Points, chosen
from backend.metrics.pyramid.buckets import Buckets
from backend.metrics.service import Curve
from backend.metrics.thinning import thin
from backend.run_view.views import AlarmView

__all__ = ["MAX_POINTS", "WHOLE", "Line", "Window", "figure", "lines_figure", "run_lines"]

MAX_POINTS = 1000  # of a trace
MAX_OF_MANY = 480  # of each of many, which cover one another
MANY = 8
MAX_MARKS = 200  # of each kind, at the edges of a chart
RAW_OPACITY = 0.3
SHORTEST = 6.0  # steps or samples of an x axis: on a shorter one, ticks would lie between whole numbers
FAR_OFF = 4.0  # times the height from the 1st to the 99th percentile: further points do not set the axis
MARGIN = {"r": 14, "t": 12, "b": 26}  # pixels, as in run_page.css; the left one follows the labels

X_TITLES: Mapping[Axis, str] = {
    "step": "step",
    "samples": "samples",
    "epoch": "epoch",
    "time": "time since the start",
    "wall": "date (UTC)",
}

Figure = dict[str, Any]


def figure(
    panel: Panel,
    curves: Mapping[str, Curve],
    variant: str,
    window: Window = WHOLE,
    alarms: Sequence[AlarmView] = (),
    clock: Clock = Clock(),  # noqa: B008  frozen
    run: str = "",
) -> Figure:
    """The figure of one run's panel."""
    made = lines_figure(panel, run_lines(panel, curves, variant, clock, run), window)
    return {**made, "marks": [_mark(alarm, curves) for alarm in alarms]}


def run_lines(
    panel: Panel, curves: Mapping[str, Curve], variant: str, clock: Clock, run: str = ""
) -> list[Line]:
    """One line per metric, the run's own hue first."""
    colours = zip(panel.metrics, _colours(variant, len(panel.metrics)), strict=True)
    titles = {name: name if panel.expression else title_of(name) for name in panel.metrics}
    return [
        Line(name, run, name, titles[name], colour, curves[name], clock)
        for name, colour in colours
        if name in curves
    ]


def lines_figure(panel: Panel, lines: Sequence[Line], window: Window = WHOLE) -> Figure:
    """Data and layout for Plotly; `meta` of each trace tells the browser how to extend it live."""
    most = MAX_POINTS if len(lines) < MANY else MAX_OF_MANY
    drawn = [Trace(line, window, most) for line in lines]
    low, high, clipped = _clipped_range(drawn, window.log)
    beyond = 0 if clipped else _beyond_limit(drawn, window.log)
    traces = [trace for each in drawn for trace in each.traces()]
    return {
        "data": [*traces, *_edge_marks(drawn, window)],
        "layout": _layout(panel, window, drawn, (low, high) if clipped else None),
        "notes": _notes(drawn, clipped or beyond),
        "marks": [],
        "axis": panel.axis,
        "titles": {"x": X_TITLES[window.axis], "y": panel.axis_title},
        "clocks": {
            line.run: [line.clock.started, line.clock.samples_per_step, line.clock.epochs_per_step]
            for line in lines
        },
    }


class Trace:
    """One curve: a faint line through the raw points and a strong one through their average.

    `points` are recorded ones, with every extreme among them. `least`, `greatest` and `counts` sum up all
    finite points, each by itself unless the curve is long.
    """

    def __init__(self, line: Line, window: Window, most: int) -> None:
        self.line, self.window, self.most = line, window, most
        every, buckets = points_of(line.curve), buckets_of(line.curve)
        self.nan = _within(buckets.marks, line.clock, window)
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
        self.points = _within(points, line.clock, window)
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
        return self._line(shown, 1.0, {"role": "raw", "thinned": thinned}, opacity=RAW_OPACITY)

    def smooth(self) -> Figure:
        state = {"mean": self.average.mean, "weight": self.average.weight}
        trace = self._line(thin(self.smoothed, self.most // 2), 1.75, {"role": "smooth", "average": state})
        trace["line"]["dash"] = self.line.dash
        return trace

    def _band(self) -> list[Figure]:
        """The room between the least and the greatest of the seeds, as two lines with a fill between.

        It holds their average, too: so the line between them, which lags behind, never leaves it.
        """
        if self.line.band is None:
            return []
        edges = []
        bounds = zip(self.line.band, ("none", "tonexty"), (np.minimum, np.maximum), strict=True)
        for curve, fill, further in bounds:
            average = debiased_average(curve.values, self.window.smoothing, self.weights).values
            edge = further(curve.values, average)
            points = Points(self.ends.steps, self.ends.times, edge)[self.shown]
            drawn = self._line(thin(points, self.most // 2), 0.0, {"role": "band"})
            edges.append({**drawn, "fill": fill})
        return edges

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


def _layout(
    panel: Panel, window: Window, drawn: Sequence[Trace], clipped: tuple[float, float] | None
) -> Figure:
    low, high = clipped or _y_range(panel, window, drawn)
    ticks = scale.log_ticks(low, high) if window.log else scale.ticks(low, high, scale.Y_TICKS)
    labels = tick_labels.y_labels(panel.axis, ticks, window.log)
    yaxis: Figure = {
        "type": "log" if window.log else "linear",
        "range": [low, high],
        "tickformat": scale.y_format(panel.axis, low, high, window.log),
        "tickmode": "array",
        "tickvals": ticks,
        "ticktext": labels,
        "nticks": scale.Y_TICKS,
        "fixedrange": True,
        "zeroline": False,
        "automargin": False,
    }
    if panel.axis == "share" and not window.log:
        yaxis["rangemode"] = "tozero"
    return {
        "margin": {"l": tick_labels.left_margin(labels), **MARGIN},
        "showlegend": False,
        "hovermode": False,
        "dragmode": "zoom",
        "font": {"size": 11},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "xaxis": {
            "range": list(_x_range(drawn, window)),
            "showgrid": False,
            "nticks": scale.X_TICKS,
            "zeroline": False,
            "tickangle": 0,
            "ticklabeloverflow": "allow",
            "tickformat": scale.x_format(window.axis),
        },
        "yaxis": yaxis,
        "yaxis2": {"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True},
    }


def _x_range(drawn: Sequence[Trace], window: Window) -> scale.Range:
    """From the least place to the greatest, points included that are no number; or the window.

    The last point need not lie farthest: a resumed run may continue where the clock is behind.
    """
    places = [
        each.line.clock.xs(window.axis, points)
        for each in drawn
        for points in (each.points, each.nan)
        if len(points)
    ]
    low = min((float(xs.min()) for xs in places), default=0.0)
    high = max((float(xs.max()) for xs in places), default=1.0)
    if window.axis in ("step", "samples") and high - low < SHORTEST:
        low = max(0.0, (low + high - SHORTEST) / 2)
        high = low + SHORTEST
    if window.low is not None:
        low, high = window.low, max(window.low, high)
    if window.high is not None:
        low, high = min(low, window.high), window.high
    return scale.flat(low, high)


def _y_range(panel: Panel, window: Window, drawn: Sequence[Trace]) -> scale.Range:
    """What the lines reach, with room beyond; of a logarithmic axis the exponents."""
    reached = [each.points.values for each in drawn]
    for each in drawn:
        for edge in each.line.band or ():
            reached.append(_within(points_of(edge), each.line.clock, window).values)
    values: Values = np.concatenate(reached) if reached else np.zeros(0)
    if window.log:
        values = np.log10(values[values > 0])
        if not len(values):
            return (-1.0, 1.0)
        reach = scale.flat_exponents(float(values.min()), float(values.max()))
        return scale.flat_exponents(*scale.padded(*reach))
    near = values[chosen(np.abs(values) <= scale.LIMIT)]
    values = near if len(near) else values.clip(-scale.LIMIT, scale.LIMIT)
    if not len(values):
        return (0.0, 1.0)
    return scale.padded(float(values.min()), float(values.max()), to_zero=panel.axis == "share")


def _notes(drawn: Sequence[Trace], clipped: int) -> Figure:
    """What the lines themselves cannot show: NaN, points off the axis, how much was thinned."""
    return {
        "nan": sum(each.nan_count for each in drawn),
        "last_nan": {each.line.key: int(each.nan.steps[-1]) for each in drawn if len(each.nan)},
        "off_scale": clipped,
        "not_positive": sum(each.low_count for each in drawn),
        "undefined": sum(each.line.curve.undefined for each in drawn),
    }


def _edge_marks(drawn: Sequence[Trace], window: Window) -> list[Figure]:
    """Along the bottom: crosses where a value was NaN or infinite, and, on a logarithmic axis, triangles
    where it was not positive.
    """
    nan = _marks_of("nan", "NaN", "x-thin", "danger", [(each, each.nan) for each in drawn], window)
    low = _marks_of(
        "low", "not positive", "triangle-down-open", "warning", [(e, e.low) for e in drawn], window
    )
    return [nan, low] if window.log else [nan]


def _marks_of(
    role: str, name: str, symbol: str, colour: str, found: Sequence[tuple[Trace, Points]], window: Window
) -> Figure:
    places = sorted(
        {
            (int(step), int(moment), each.line.run)
            for each, points in found
            for step, moment in zip(*_some(points), strict=True)
        }
    )
    places = places[:: 1 + len(places) // MAX_MARKS]
    moments = {"customdata": [at / 1000 for _, at, _ in places]} if window.axis in TIMED else {}
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [step for step, _, _ in places],
        "y": [0.0] * len(places),
        "yaxis": "y2",
        "cliponaxis": False,
        "marker": {"symbol": symbol, "size": 7, "line": {"width": 1.5}},
        "hoverinfo": "skip",
        "meta": {"role": role, "colour": colour, "shade": 0, "runs": [run for _, _, run in places]},
        **moments,
    }


def _some(points: Points) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Steps and moments of some of the points: the first, the last, and evenly between."""
    chosen = np.unique(np.linspace(0, len(points) - 1, min(len(points), MAX_MARKS)).astype(np.int64))
    return points.steps[chosen], points.times[chosen]


def _mark(alarm: AlarmView, curves: Mapping[str, Curve]) -> Figure:
    """Where an alarm stands; its moment is that of the first recorded point from its step on."""
    curve = next((each for each in curves.values() if len(each.steps)), None)
    at = min(int(np.searchsorted(curve.steps, alarm.step)), len(curve.steps) - 1) if curve else 0
    moment = float(curve.wall_times[at]) if curve else 0.0
    return {"step": alarm.step, "wall_time": moment, "name": alarm.name, "text": alarm.text}


def _clipped_range(drawn: Sequence[Trace], log: bool) -> tuple[float, float, int]:
    """(low, high, points outside) of an axis that a few far points must not squash; outside 0: show all."""
    if log or sum(len(each.least) for each in drawn) < 200:
        return 0.0, 0.0, 0
    lows, highs = (np.concatenate(side) for side in zip(*(each.usual() for each in drawn), strict=True))
    low, high = float(np.percentile(lows, 1)), float(np.percentile(highs, 99))
    height = high - low
    far = sum(each.outside(low - FAR_OFF * height, high + FAR_OFF * height) for each in drawn)
    if not far or height == 0:
        return 0.0, 0.0, 0
    low, high = scale.flat(low - 0.1 * height, high + 0.1 * height)
    return low, high, sum(each.outside(low, high) for each in drawn)


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


def _beyond_limit(drawn: Sequence[Trace], log: bool) -> int:
    """How many points no linear axis can reach."""
    return 0 if log else sum(each.outside(-scale.LIMIT, scale.LIMIT) for each in drawn)


def _within(points: Points, clock: Clock, window: Window) -> Points:
    return points[chosen(inside(points, clock, window))]


def _colours(variant: str, n: int) -> list[str]:
    """The run's own hue first: it is the same on every page. The others follow in order."""
    own = look_of(variant).hue
    others = [hue for hue in sorted(HUES) if hue != own]
    return [own, *(others[i % len(others)] for i in range(n - 1))][:n]
