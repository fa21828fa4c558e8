"""Curves of one run or many -> a Plotly figure: their traces on its axes, and the marks along its edge.

Figures are plain dictionaries; the tests hold them against Plotly's own validation. Colours are names that
the browser turns into those of day or night. Points are placed by step and moment; the browser (and
backend/charts/static_chart.py) puts them where the chosen x axis has them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from backend.charts.axes import X_TITLES, layout_of
from backend.charts.lines import TIMED, WHOLE, Clock, Line, Window
from backend.charts.panels import Panel, title_of
from backend.charts.traces import Figure, Trace
from backend.domain.looks import HUES, look_of
from backend.metrics.points import Points
from backend.metrics.service import Curve
from backend.run_view.views import AlarmView
from backend.runs.events import Resume

__all__ = ["MAX_POINTS", "WHOLE", "Figure", "Line", "Window", "figure", "lines_figure", "run_lines"]

MAX_POINTS = 1000  # of a trace
MAX_OF_MANY = 480  # of each of many, which cover one another
MANY = 8
MAX_MARKS = 200  # of each kind, at the edges of a chart
MAX_NAMED = 3  # resumes whose marks have room for a word


def figure(
    panel: Panel,
    curves: Mapping[str, Curve],
    variant: str,
    window: Window = WHOLE,
    alarms: Sequence[AlarmView] = (),
    clock: Clock = Clock(),  # noqa: B008  frozen
    run: str = "",
    resumes: Sequence[Resume] = (),
) -> Figure:
    """The figure of one run's panel."""
    made = lines_figure(panel, run_lines(panel, curves, variant, clock, run), window)
    marks = [_mark(alarm, curves) for alarm in alarms]
    curve = _any_of(curves)
    if curve is not None:
        marks += filter(None, [_mark_of_resume(each, curve, len(resumes)) for each in resumes])
    return {**made, "marks": marks}


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
    layout, off_scale = layout_of(panel, window, drawn)
    traces = [trace for each in drawn for trace in each.traces()]
    return {
        "data": [*traces, *_edge_marks(drawn, window)],
        "layout": layout,
        "notes": _notes(drawn, off_scale),
        "marks": [],
        "axis": panel.axis,
        "titles": {"x": X_TITLES[window.axis], "y": panel.axis_title},
        "caption": caption_of(lines, window),
        "clocks": {
            line.run: [line.clock.started, line.clock.samples_per_step, line.clock.epochs_per_step]
            for line in lines
        },
    }


def caption_of(lines: Sequence[Line], window: Window) -> str:
    """What the strong and the faint lines and the bands are, as it stands beneath a chart that leaves the
    page; empty where every line is simply what was recorded."""
    decay = window.smoothing
    parts = []
    if decay:
        parts.append(f"Strong: moving average, decay {decay:g} per point. Faint: as recorded.")
    if any(line.band for line in lines):
        parts.append("Line: mean over the seeds. Band: least to greatest of the seeds at that step.")
    return " ".join(parts)


def _notes(drawn: Sequence[Trace], off_scale: int) -> Figure:
    """What the lines themselves cannot show: NaN, points off the axis, what is undefined."""
    return {
        "nan": sum(each.nan_count for each in drawn),
        "last_nan": {each.line.key: int(each.nan.steps[-1]) for each in drawn if len(each.nan)},
        "off_scale": off_scale,
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
    curve = _any_of(curves)
    at = min(int(np.searchsorted(curve.steps, alarm.step)), len(curve.steps) - 1) if curve else 0
    moment = float(curve.wall_times[at]) if curve else 0.0
    return {
        "kind": "alarm",
        "step": alarm.step,
        "wall_time": moment,
        "sign": "▲",
        "name": alarm.name,
        "text": alarm.text,
    }


def _mark_of_resume(resume: Resume, curve: Curve, among: int) -> Figure | None:
    """Where a run was resumed: at its step, or at the first point that was recorded from then on; None where
    there is none yet. Of very many only the sign is shown."""
    step = resume.step
    if step is None:
        after = np.flatnonzero(curve.wall_times >= resume.at)
        if not len(after):
            return None
        step = int(curve.steps[after[0]])
    name, text = "resumed" if among <= MAX_NAMED else "", f"Resumed at step {step:,}."
    return {"kind": "resume", "step": step, "wall_time": resume.at, "sign": "↻", "name": name, "text": text}


def _any_of(curves: Mapping[str, Curve]) -> Curve | None:
    """One that has a point."""
    return next((each for each in curves.values() if len(each.steps)), None)


def _colours(variant: str, n: int) -> list[str]:
    """The run's own hue first: it is the same on every page. The others follow in order."""
    own = look_of(variant).hue
    others = [hue for hue in sorted(HUES) if hue != own]
    return [own, *(others[i % len(others)] for i in range(n - 1))][:n]
