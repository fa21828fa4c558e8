"""A chart as a figure for a paper: the lines of its Plotly figure without what only a screen needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from backend.charts import scale
from backend.charts.axes import X_TITLES
from backend.charts.figures import MANY, MAX_OF_MANY, MAX_POINTS, lines_figure
from backend.charts.lines import Axis, Clock, Line, Window
from backend.charts.panels import UNDEFINED, Panel
from backend.charts.smoothing import Values
from backend.charts.traces import Figure as PlotlyFigure
from backend.charts.traces import Trace
from backend.kit.exports.figures import Axes, Figure, Look
from backend.kit.format import counted
from backend.metrics.points import Points

MAX_AVERAGES = 400  # of a line
BEYOND = 9.0  # heights of the chart: what lies further out is drawn at this distance
HEAD = ("line", "role", "x", "y")
DAY = 86400.0  # seconds
# As in tokens.css, on white.
COLOURS: Mapping[str, str] = {
    "series-1": "#0072b2",
    "series-2": "#e69f00",
    "series-3": "#009e73",
    "series-4": "#cc79a7",
    "series-5": "#56b4e9",
    "series-6": "#d55e00",
    "series-7": "#16191d",
    "series-8": "#883322",
    "series-9": "#4b1d9b",
    "variant-external": "#7a828c",
}
INK = "#16191d"
SHADE = 22  # percent of ink in a shade


def curves_figure(
    name: str,
    panel: Panel,
    lines: Sequence[Line],
    window: Window,
    places: Mapping[str, int],
    hidden: frozenset[str] = frozenset(),
) -> Figure:
    """The chart of these lines. `places`: key of a line -> its place, which gives its dashes and marker."""
    shown = [line for line in lines if line.key not in hidden]
    figure = lines_figure(panel, shown, window)
    layout = figure["layout"]
    low, high = layout["xaxis"]["range"]
    if window.axis == "wall":  # calendars end
        low, high = scale.flat(*(min(max(end, 0.0), scale.LAST_MOMENT) for end in (low, high)))
    unit, suffix = _x_unit(window.axis, high)
    y_low, y_high = layout["yaxis"]["range"]
    data: list[tuple[str, str, float, float]] = []
    raws = {trace["meta"]["key"]: trace for trace in figure["data"] if trace["meta"]["role"] == "raw"}
    most = MAX_POINTS if len(shown) < MANY else MAX_OF_MANY

    def add(key: str, role: str, xs: Values, ys: Values) -> None:
        if not window.log:
            ys = _near(ys, y_low, y_high)
        elif role in ("low", "high"):
            ys = np.maximum(ys, 10.0 ** (y_low - 1))
        kept = (ys > 0) | (not window.log)
        places_and_values = zip((xs[kept] / unit).tolist(), ys[kept].tolist(), strict=True)
        data.extend((key, role, x, y) for x, y in places_and_values)

    for line in shown:
        raw = raws[line.key]
        moments = np.array(raw.get("customdata", np.zeros(len(raw["x"]))), dtype=np.float64)
        values = np.array(raw["y"], dtype=np.float64)
        points = Points(np.array(raw["x"], np.int64), np.round(moments * 1000).astype(np.int64), values)
        add(line.key, "raw", line.clock.xs(window.axis, points), values)
        xs, parts = _averages(Trace(line, window, most))
        for role, values in parts.items():
            add(line.key, role, xs, values)
    clocks = {run: Clock(*values) for run, values in figure["clocks"].items()}
    for trace in figure["data"]:
        if trace["mode"] == "markers":
            role = "nan" if trace["meta"]["role"] == "nan" else "not positive"
            marks = _mark_places(trace, clocks, window.axis)
            data += [("", role, x / unit, 0.0) for x in marks if low <= x <= high]
    axes = Axes(
        x_title=X_TITLES[window.axis] + suffix,
        x=(low / unit, high / unit),
        y_title=panel.axis_title,
        y=(y_low, y_high),
        unit=panel.axis,
        is_log=window.log,
        is_date=window.axis == "wall",
    )
    looks = [
        Look(line.key, line.name, hex_colour(line.colour, line.shade), places[line.key]) for line in shown
    ]
    notes = figure["notes"]
    words = ((notes["off_scale"], "off the scale"), (notes["undefined"], f"undefined: {UNDEFINED}"))
    counts = (f"{counted(number, 'point')} {what}." for number, what in words if number)
    note = " ".join(filter(None, [figure["caption"], *counts]))
    runs = ", ".join(dict.fromkeys(line.run for line in shown))
    return Figure(name, panel.title, "curves", axes, looks, HEAD, data, note, f"Runs: {runs}")


def hex_colour(name: str, shade: int = 0) -> str:
    """A named colour on white; a shade of it lies nearer to the ink, as in `static_chart.paint`."""
    ink = SHADE * shade
    mixed = (
        round((int(of[0], 16) * (100 - ink) + int(of[1], 16) * ink) / 100)
        for of in ((COLOURS.get(name, INK)[at : at + 2], INK[at : at + 2]) for at in (1, 3, 5))
    )
    return "#" + "".join(f"{part:02x}" for part in mixed)


def _averages(trace: Trace) -> tuple[Values, dict[str, Values]]:
    """Places (n,) and the page's average there; of several seeds with the least and the greatest, so that the
    average lies between. A long line is thinned, all three at the same places.
    """
    average = trace.average.values
    at = np.arange(len(average))[trace.shown]
    starts = np.unique(np.linspace(0, len(at) - 1, min(len(at), MAX_AVERAGES)).astype(np.int64))
    chosen = at[starts]
    parts = {"average": average[chosen]}
    if len(at):
        for role, edge, further in zip(
            ("low", "high"), trace.edges(), (np.minimum, np.maximum), strict=False
        ):
            parts[role] = further(further.reduceat(edge[at], starts), parts["average"])  # though rounded
    return trace.line.clock.xs(trace.window.axis, trace.ends[chosen]), parts


def _near(values: Values, low: float, high: float) -> Values:
    reach = BEYOND * (high - low)
    return np.asarray(values.clip(low - reach, high + reach)) if np.isfinite(reach) else values


def _mark_places(trace: PlotlyFigure, clocks: Mapping[str, Clock], axis: Axis) -> list[float]:
    """Where the signs along the edge stand."""
    runs = trace["meta"]["runs"]
    moments = trace.get("customdata", [0.0] * len(runs))
    places = []
    for step, moment, run in zip(trace["x"], moments, runs, strict=True):
        point = Points(np.array([step]), np.array([round(moment * 1000)]), np.zeros(1))
        places.append(float(clocks[run].xs(axis, point)[0]) if run in clocks else float(step))
    return places


def _x_unit(axis: Axis, high: float) -> tuple[float, str]:
    """What one unit of the axis is, and how its title says so."""
    if axis == "wall":
        return DAY, ""
    if axis != "time":
        return 1.0, ""
    length, suffix = next((each for each in scale.UNITS if high >= 2 * each[0]), scale.UNITS[-1])
    return length, f" ({suffix.strip()})"
