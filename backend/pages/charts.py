"""Points of a run -> a Plotly figure: raw values faint, their moving average strong.

Figures are plain dictionaries; the tests hold them against Plotly's own validation. Colours are names that
the browser turns into those of day or night.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.db.points import Points
from backend.pages.panels import Panel, title_of
from backend.pages.smoothing import Average, Values, debiased_average
from backend.services.run_view import AlarmView
from backend.services.series import Curve
from backend.services.thinning import thin

MOST_POINTS = 1000  # of a trace
RAW_OPACITY = 0.3
FAR_OFF = 4.0  # times the height from the 1st to the 99th percentile: further points do not set the axis

Figure = dict[str, Any]
SERIES_COLOURS = tuple(f"series-{number}" for number in range(1, 7))
AXIS_FORMATS = {"share": ".0%", "bytes": ".2~s", "number": ".3~g"}


@dataclass(frozen=True)
class Window:
    """What part of the curves to draw, and how."""

    first: int | None = None  # steps, both inclusive
    last: int | None = None
    smoothing: float = 0.0  # decay of the moving average per point
    log: bool = False


WHOLE = Window()


def figure(
    panel: Panel,
    curves: Mapping[str, Curve],
    variant: str,
    window: Window = WHOLE,
    alarms: Sequence[AlarmView] = (),
) -> Figure:
    """Data and layout for Plotly; `meta` of each trace tells the browser how to extend it live."""
    drawn = [
        _Trace(name, colour, curves[name], window)
        for name, colour in zip(panel.metrics, _colours(variant, len(panel.metrics)), strict=True)
        if name in curves
    ]
    low, high, clipped = _clipped_range(drawn, window.log)
    lines = [trace for each in drawn for trace in (each.raw(), each.smooth())]
    return {
        "data": [*lines, _nan_marks(drawn)],
        "layout": _layout(panel, window, (low, high) if clipped else None),
        "notes": _notes(drawn, window, clipped),
        "marks": [_mark(alarm, curves) for alarm in alarms],
        "axis": panel.axis,
    }


class _Trace:
    """One metric: a faint line through the raw points and a strong one through their average."""

    def __init__(self, name: str, colour: str, curve: Curve, window: Window) -> None:
        self.name, self.colour = name, colour
        finite = np.isfinite(curve.values)
        points = Points(curve.steps, np.round(curve.wall_times * 1000).astype(np.int64), curve.values)
        self.nan = points[~finite]
        points = points[finite]
        self.average: Average = debiased_average(points.values, window.smoothing)
        smoothed = Points(points.steps, points.times, self.average.values)
        self.points = _within(points, window)
        self.smoothed = _within(smoothed, window)

    def raw(self) -> Figure:
        trace = _line(self.name, self.colour, thin(self.points, MOST_POINTS), width=1.0)
        thinned = len(self.points) > MOST_POINTS
        return {**trace, "opacity": RAW_OPACITY, "meta": {**trace["meta"], "role": "raw", "thinned": thinned}}

    def smooth(self) -> Figure:
        trace = _line(self.name, self.colour, thin(self.smoothed, MOST_POINTS // 2), width=1.75)
        state = {"mean": self.average.mean, "weight": self.average.weight}
        return {**trace, "meta": {**trace["meta"], "role": "smooth", "average": state}}


def _line(name: str, colour: str, points: Points, width: float) -> Figure:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": title_of(name),
        "x": points.steps.tolist(),
        "y": points.values.tolist(),
        "customdata": (points.times / 1000).tolist(),
        "line": {"width": width, "shape": "linear", "simplify": False},
        "hoverinfo": "skip",
        "meta": {"metric": name, "colour": colour},
    }


def _layout(panel: Panel, window: Window, clipped: tuple[float, float] | None) -> Figure:
    yaxis: Figure = {
        "type": "log" if window.log else "linear",
        "tickformat": AXIS_FORMATS[panel.axis],
        "nticks": 5,
        "fixedrange": True,
        "zeroline": False,
        "automargin": False,
    }
    if clipped:
        yaxis["range"] = list(clipped)
    elif panel.axis == "share" and not window.log:
        yaxis["rangemode"] = "tozero"
    return {
        "margin": {"l": 46, "r": 10, "t": 8, "b": 26},
        "showlegend": False,
        "hovermode": False,
        "dragmode": "zoom",
        "font": {"size": 11},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "xaxis": {"showgrid": False, "nticks": 6, "zeroline": False, "tickformat": "~s"},
        "yaxis": yaxis,
        "yaxis2": {"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True},
    }


def _notes(drawn: Sequence[_Trace], window: Window, clipped: int) -> Figure:
    """What the lines themselves cannot show: NaN, points off the axis, how much was thinned."""
    not_positive = sum(int((each.points.values <= 0).sum()) for each in drawn) if window.log else 0
    return {
        "nan": sum(len(each.nan) for each in drawn),
        "last_nan": {each.name: int(each.nan.steps[-1]) for each in drawn if len(each.nan)},
        "off_scale": clipped,
        "not_positive": not_positive,
    }


def _nan_marks(drawn: Sequence[_Trace]) -> Figure:
    """Crosses along the bottom at the steps where a value was NaN or infinite."""
    times = {int(s): int(t) for each in drawn for s, t in zip(each.nan.steps, each.nan.times, strict=True)}
    steps = sorted(times)
    steps = steps[:: 1 + len(steps) // MOST_POINTS]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "NaN",
        "x": steps,
        "y": [0.0] * len(steps),
        "customdata": [times[step] / 1000 for step in steps],
        "yaxis": "y2",
        "cliponaxis": False,
        "marker": {"symbol": "x-thin", "size": 7, "line": {"width": 1.5}},
        "hoverinfo": "skip",
        "meta": {"role": "nan", "colour": "danger"},
    }


def _mark(alarm: AlarmView, curves: Mapping[str, Curve]) -> Figure:
    """Where an alarm stands; its moment is that of the first recorded point from its step on."""
    curve = next((each for each in curves.values() if len(each.steps)), None)
    at = min(int(np.searchsorted(curve.steps, alarm.step)), len(curve.steps) - 1) if curve else 0
    moment = float(curve.wall_times[at]) if curve else 0.0
    return {"step": alarm.step, "wall_time": moment, "name": alarm.name, "text": alarm.text}


def _clipped_range(drawn: Sequence[_Trace], log: bool) -> tuple[float, float, int]:
    """(low, high, points outside) of an axis that a few far points must not squash; outside 0: show all."""
    values: Values = np.concatenate([each.points.values for each in drawn]) if drawn else np.zeros(0)
    if log or len(values) < 200:
        return 0.0, 0.0, 0
    low, high = (float(each) for each in np.percentile(values, (1, 99)))
    height = high - low
    far: NDArray[np.bool_] = (values < low - FAR_OFF * height) | (values > high + FAR_OFF * height)
    if not far.any() or height == 0:
        return 0.0, 0.0, 0
    low, high = low - 0.1 * height, high + 0.1 * height
    return low, high, int(((values < low) | (values > high)).sum())


def _within(points: Points, window: Window) -> Points:
    """The window's points, and one beyond each edge so that lines reach it."""
    n = len(points)
    lower = 0 if window.first is None else int(np.searchsorted(points.steps, window.first)) - 1
    upper = n if window.last is None else int(np.searchsorted(points.steps, window.last, side="right")) + 1
    return points[max(0, lower) : min(n, upper)]


def _colours(variant: str, n: int) -> list[str]:
    """The run's own hue first: it is the same on every page. The others follow in order."""
    own = f"variant-{variant or 'external'}"
    taken = VARIANT_SERIES.get(variant)
    others = [colour for colour in SERIES_COLOURS if colour != taken]
    return [own, *(others[i % len(others)] for i in range(n - 1))][:n]


VARIANT_SERIES = {
    "deterministic": "series-1",
    "variational": "series-2",
    "iterative": "series-3",
    "per_demo": "series-4",
    "slots": "series-5",
    "graph": "series-6",
}
