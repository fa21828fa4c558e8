"""A figure as SVG, drawn by the server: what a page shows before Plotly is there, and what an export keeps.

It reads the same figure that Plotly gets, and puts every line, tick and text where Plotly will put it.
The outer drawing takes the size of its box; curves are stretched to it, texts and widths are not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray

from backend.charts import scale, tick_labels
from backend.charts.lines import Axis, Clock
from backend.charts.smoothing import Values
from backend.metrics.points import Points
from backend.metrics.thinning import thin

Figure = dict[str, Any]
Places = NDArray[np.float64]

UNITS = 2000  # of the stretched drawing, in both directions
FAR = 1_000_000 * UNITS  # points of a line may lie so far to the left and right of the drawing
MAX_POINTS = 480  # of a line: two in each column of a chart of usual width
MAX_OF_MANY = 220  # where ten lines or more cover one another


def still(figure: Figure, axis: Axis = "step", title: str = "") -> Markup:
    """The figure's curves as an `<svg class="still">`."""
    drawing = _Drawing(figure, axis)
    label = f' role="img" aria-label="{escape(title)}"' if title else ' aria-hidden="true"'
    left = figure["layout"]["margin"]["l"]
    style = f' style="--left:{left}px"' if left != tick_labels.LEFT else ""
    parts = [
        f'<svg class="still"{label}{style}>',
        *drawing.axes(),
        f'<svg class="lines" viewBox="0 0 {UNITS} {UNITS}" preserveAspectRatio="none" '
        'width="100%" height="100%">',
        *drawing.lines(),
        "</svg>",
        *drawing.marks(),
        "</svg>",
    ]
    return Markup("".join(parts))


def paint(colour: str, shade: int = 0) -> str:
    """The CSS colour of a named one; a shade of it lies nearer to the ink."""
    if not shade:
        return f"var(--{colour})"
    return f"color-mix(in srgb, var(--{colour}) {100 - 22 * shade}%, var(--ink))"


class _Drawing:
    def __init__(self, figure: Figure, axis: Axis) -> None:
        self.figure, self.axis = figure, axis
        layout = figure["layout"]
        self.x_low: float
        self.x_high: float
        self.y_low: float
        self.y_high: float
        self.x_low, self.x_high = layout["xaxis"]["range"]
        self.yaxis = layout["yaxis"]
        self.y_low, self.y_high = self.yaxis["range"]
        self.log = self.yaxis["type"] == "log"
        self.most = MAX_POINTS if len(figure["data"]) < 20 else MAX_OF_MANY
        self.clocks = {run: Clock(*values) for run, values in figure["clocks"].items()}

    def axes(self) -> Iterator[str]:
        for value, text in self._y_ticks():
            at = f"{100 - 100 * self._y_share(value):.2f}%"
            yield f'<line class="grid" x1="0" x2="100%" y1="{at}" y2="{at}"/>'
            yield f'<text class="y" x="-1" y="{at}" dy="0.35em">{escape(text)}</text>'
        yield '<line class="axis" x1="0" x2="100%" y1="100%" y2="100%"/>'
        yield '<svg class="ticks" y="100%">'
        for value, text in scale.x_ticks(self.axis, self.x_low, self.x_high):
            at = f"{100 * (value - self.x_low) / (self.x_high - self.x_low):.2f}%"
            yield f'<line class="axis" x1="{at}" x2="{at}" y1="0" y2="3"/>'
            yield f'<text class="x" x="{at}" y="17.2">{escape(text)}</text>'
        yield "</svg>"

    def lines(self) -> Iterator[str]:
        lower: Places | None = None
        for trace in self.figure["data"]:
            meta = trace["meta"]
            if trace["mode"] != "lines" or not trace["x"]:
                continue
            places = self._places(trace)
            if not len(places):
                continue
            stroke = paint(meta["colour"], meta["shade"])
            if meta["role"] == "band":
                if trace["fill"] == "none":
                    lower = places
                elif lower is not None:
                    outline = _path(np.concatenate([places, lower[::-1]]))
                    yield f'<path class="band" d="{outline}z" style="fill:{stroke}"/>'
                continue
            style = f"stroke:{stroke}{_dashes(trace)}"
            role = meta["role"] if len(places) > 1 else f"{meta['role']} is-point"
            yield f'<path class="{role}" d="{_path(places)}" style="{style}"/>'

    def marks(self) -> Iterator[str]:
        for trace in self.figure["data"]:
            if trace["mode"] != "markers":
                continue
            sign = "×" if trace["meta"]["role"] == "nan" else "▿"
            tone = paint(trace["meta"]["colour"])
            runs = trace["meta"]["runs"]
            moments = trace.get("customdata", [0.0] * len(runs))
            for step, moment, run in zip(trace["x"], moments, runs, strict=True):
                at = self._x_share(step, moment, run)
                if 0 <= at <= 1:
                    yield f'<text class="mark" x="{100 * at:.2f}%" y="100%" style="fill:{tone}">{sign}</text>'
        for mark in self.figure["marks"]:
            run = next(iter(self.clocks), "")
            at = self._x_share(mark["step"], mark["wall_time"], run)
            if 0 <= at <= 1:
                place = f"{100 * at:.2f}%"
                kind, words = mark["kind"], f"{mark['sign']} {mark['name']}".rstrip()
                yield f'<line class="{kind}" x1="{place}" x2="{place}" y1="0" y2="100%"/>'
                side = 'dx="-3" text-anchor="end"' if at > 0.5 else 'dx="3"'
                yield f'<text class="word of-{kind}" x="{place}" {side} y="-2">{escape(words)}</text>'

    def _places(self, trace: Figure) -> Places:
        """Points (n, 2) in units of the stretched drawing, thinned to what its width can show."""
        steps = np.array(trace["x"], dtype=np.int64)
        moments = np.array(trace.get("customdata", np.zeros(len(steps))), dtype=np.float64)
        points = Points(steps, np.round(moments * 1000).astype(np.int64), np.array(trace["y"], dtype=float))
        if self.log:
            points = points[points.values > 0]
        points = thin(points, self.most)
        xs = self.clocks[trace["meta"]["run"]].xs(self.axis, points)
        values: Values = np.log10(points.values) if self.log else points.values
        with np.errstate(over="ignore"):  # what overflows lies far outside, and is cut off there
            across = (xs - self.x_low) / (self.x_high - self.x_low) * UNITS
            down = (1 - (values - self.y_low) / (self.y_high - self.y_low)) * UNITS
        return np.stack([across.clip(-FAR, FAR), down.clip(-9 * UNITS, 9 * UNITS)], axis=1)

    def _x_share(self, step: int, moment: float, run: str) -> float:
        points = Points(np.array([step]), np.array([round(moment * 1000)]), np.zeros(1))
        place = float(self.clocks[run].xs(self.axis, points)[0]) if run in self.clocks else float(step)
        return (place - self.x_low) / (self.x_high - self.x_low)

    def _y_share(self, value: float) -> float:
        place = math.log10(value) if self.log else value
        return (place - self.y_low) / (self.y_high - self.y_low)

    def _y_ticks(self) -> scale.Ticks:
        return list(zip(self.yaxis["tickvals"], self.yaxis["ticktext"], strict=True))


def _path(places: Places) -> str:
    """Whole units, each point relative to the one before: about six bytes a point."""
    whole = np.round(places).astype(np.int64)
    moves = np.diff(whole, axis=0).tolist()
    (x, y), rest = whole[0].tolist(), " ".join([f"{dx} {dy}" for dx, dy in moves])
    return f"M{x} {y}l{rest}" if rest else f"M{x} {y}h0"


def swatch(trace: Figure) -> Markup:
    """The short line that stands for a trace in a legend."""
    meta = trace["meta"]
    style = f"stroke:{paint(meta['colour'], meta['shade'])}{_dashes(trace)}"
    line = f'<line x1="0" x2="100%" y1="50%" y2="50%" style="{style}"/>'
    return Markup(f'<svg class="swatch" aria-hidden="true">{line}</svg>')


def _dashes(trace: Figure) -> str:
    dash = trace.get("line", {}).get("dash", "solid")
    return "" if dash == "solid" else f";stroke-dasharray:{dash}"
