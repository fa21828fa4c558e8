"""The axes of a chart: between which values they run, their ticks, and what lies too far off to set them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from backend.charts import scale, tick_labels
from backend.charts.lines import Axis, Window, points_of
from backend.charts.panels import Panel
from backend.charts.smoothing import Values
from backend.charts.traces import Figure, Trace, within
from backend.metrics.points import chosen

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


def layout_of(panel: Panel, window: Window, drawn: Sequence[Trace]) -> tuple[Figure, int]:
    """The layout for Plotly, and how many points lie off its scale."""
    low, high, off = _clipped_range(drawn, window.log)
    if not off:
        (low, high), off = _y_range(panel, window, drawn), _beyond_limit(drawn, window.log)
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
    layout = {
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
    return layout, off


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
            reached.append(within(points_of(edge), each.line.clock, window).values)
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


def _beyond_limit(drawn: Sequence[Trace], log: bool) -> int:
    """How many points no linear axis can reach."""
    return 0 if log else sum(each.outside(-scale.LIMIT, scale.LIMIT) for each in drawn)
