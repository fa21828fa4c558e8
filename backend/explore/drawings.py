"""The scatter and the parallel coordinates of a set of runs, drawn by the server.

A drawing takes the size of its box; lines are stretched to it, marks and texts are not. A script opens the
run of a mark that is pressed. The links are in the table beside the drawings, which are one picture to who
does not point: thousands of marks would be as many stops of the keyboard.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from markupsafe import Markup, escape

from backend.domain.statistics import average, mean_over_seeds
from backend.explore import scales
from backend.explore.scales import SYMBOLS, Axis, Key, text
from backend.explore.service import Point, counted_once
from backend.kit.format import counted

NARROWEST = 88  # pixels of an axis of the parallel coordinates
UNITS = 1000  # of the stretched lines, in both directions
_SHAPES = {
    "circle": '<circle r="4"/>',
    "square": '<path d="M-3.6-3.6h7.2v7.2h-7.2z"/>',
    "triangle": '<path d="M0-4.8 4.6 3.4h-9.2z"/>',
    "diamond": '<path d="M0-5.2 4.4 0 0 5.2-4.4 0z"/>',
    "cross": '<path d="M-4-2.6-2.6-4 0-1.4 2.6-4 4-2.6 1.4 0 4 2.6 2.6 4 0 1.4-2.6 4-4 2.6-1.4 0z"/>',
}


@dataclass(frozen=True)
class Scatter:
    """Runs, or means over the seeds of each configuration, by two values."""

    x: Axis
    y: Axis
    svg: Markup
    shown: int  # runs that have a place on both axes


@dataclass(frozen=True)
class Style:
    """How runs are marked: one mark each (`run`), the same with a line between the seeds of a configuration
    (`line`), or one for the mean of each configuration with its 95 % interval (`mean`). Those whose ids are
    `dimmed` stand back."""

    colours: Key
    symbols: Key
    by: str = "run"
    dimmed: Collection[str] = ()
    linked: bool = True  # to the runs; a page that is shared leads nowhere

    def colour(self, point: Point) -> str:
        """The class of a run's colour."""
        return self.colours.mark(point.values.get(self.colours.name))


@dataclass(frozen=True)
class Legend:
    """What the marks of one kind stand for."""

    what: str
    name: str
    entries: Sequence[tuple[Markup, str]]


def scatter(points: Sequence[Point], x: Axis, y: Axis, style: Style) -> Scatter:
    """Every run that has a place on both axes."""
    placed = [
        (point, across, up)
        for point in points
        if (across := x.place(point.values.get(x.name))) is not None
        and (up := y.place(point.values.get(y.name))) is not None
    ]
    lines: list[str] = []
    marks: list[str] = []
    if style.by == "mean" and not y.choices:
        for group in _by_configuration([point for point, _, _ in placed]):
            mark, whisker = _mean_mark(group, x, y, style)
            marks.append(mark)
            lines += whisker
    else:
        marks = [
            _mark(point, across, up, f"/runs/{point.id}", _words(point, x, y), style)
            for point, across, up in placed
        ]
    if style.by == "line":
        places = {point.id: (across, up) for point, across, up in placed}
        for group in _by_configuration([point for point, _, _ in placed]):
            members = sorted(group, key=lambda point: point.seed or 0)
            path = _path([places[point.id] for point in members])
            if len(group) > 1:
                lines.append(f'<path class="seeds {style.colour(members[0])}" d="{path}"/>')
    title = f"{y.name} by {x.name}: {counted(len(placed), 'run')}"
    return Scatter(x, y, _framed(title, [*_y_axis(y), *_x_axis(x)], lines, marks, "scatter"), len(placed))


def drawn_scatter(
    points: Sequence[Point], x: str, y: str, colour: str, by: str
) -> tuple[Scatter, list[Legend]]:
    """A scatter of values that the runs have for a dashboard, and what its colours stand for."""
    axes = [Axis.of(name, [point.values.get(name) for point in points]) for name in (x, y)]
    tones = scales.colours(colour, [point.values.get(colour) for point in points])
    style = Style(tones, scales.symbols("", []), by, linked=False)
    return scatter(points, axes[0], axes[1], style), legend(style)


def _mean_mark(group: Sequence[Point], x: Axis, y: Axis, style: Style) -> tuple[str, list[str]]:
    first = group[0]
    once = counted_once(group)
    of_y = mean_over_seeds(
        [number for point in once if (number := point.number(y.name)) is not None], scales.bounds(y.name)
    )
    assert of_y is not None, "whoever is placed has a number there"
    at = first.values.get(x.name)
    if not x.choices:
        numbers = [number for point in once if (number := point.number(x.name)) is not None]
        at = average(numbers)
    across, up = x.place(at), y.place(of_y.mean)
    where = f"{text(y.name, of_y.mean)} at {text(x.name, at)}"
    words = f"{first.name}: mean of {counted(len(once), 'run')}, {where}"
    address = f"/runs/{first.id}"
    if len(group) > 1:
        asked = f'variation == "{first.configuration}"'
        address = f"/?{urlencode({'filter': asked})}"
    whisker = []
    if across is not None and of_y.low is not None and of_y.high is not None:
        words += f", 95 % interval {text(y.name, of_y.low)} to {text(y.name, of_y.high)}"
        ends = [y.place(end) for end in (of_y.low, of_y.high)]
        low, high = (0.0 if ends[0] is None else ends[0]), (1.0 if ends[1] is None else ends[1])
        path = _path([(across, max(low, 0.0)), (across, min(high, 1.0))])
        whisker = [f'<path class="interval {style.colour(first)}" d="{path}"/>']
    mark = _mark(first, across or 0.0, up or 0.0, address, words, style)
    return mark, whisker


def parallel(points: Sequence[Point], axes: Sequence[Axis], colours: Key, chosen: Collection[str]) -> Markup:
    """A line for each run through its value on every axis; broken where it lacks one. Those that are not
    `chosen` stand back. Each axis is in the middle of its column, and a group with what a script needs to
    read values off it."""
    across = [(at + 0.5) / len(axes) for at in range(len(axes))]
    behind: list[str] = []
    before: list[str] = []
    for point in points:
        places = [
            None if (up := axis.place(point.values.get(axis.name))) is None else (at, up)
            for axis, at in zip(axes, across, strict=True)
        ]
        if not (path := _broken_path(places)):
            continue
        tone, is_chosen = colours.mark(point.values.get(colours.name)), point.id in chosen
        side = "" if is_chosen else " is-out"
        drawn = f'<path class="{tone}{side}" d="{path}"><title>{escape(point.name)}</title></path>'
        (before if is_chosen else behind).append(drawn)
    parts = [part for axis, at in zip(axes, across, strict=True) for part in _parallel_axis(axis, at)]
    title = f"{counted(len(points), 'run')} on {counted(len(axes), 'axis', 'axes')}: " + ", ".join(
        a.name for a in axes
    )
    width = f"min-width:{NARROWEST * len(axes)}px"
    return _framed(title, [], [*behind, *before], parts, "parallel", width)


def _parallel_axis(axis: Axis, at: float) -> list[str]:
    place = f"{100 * at:.2f}%"
    data = f'data-axis="{escape(axis.name)}" data-low="{axis.low!r}" data-high="{axis.high!r}"'
    kind = "choice" if axis.choices else "log" if axis.log else "number"
    ticks = [
        f'<text class="tick" x="{place}" y="{100 * (1 - share):.2f}%" dx="6" dy="0.35em">'
        f"{escape(_short(label))}</text>"
        for share, label in axis.ticks
    ]
    grip = '<rect class="grip" x="-12" y="-6" width="24" height="104%"/>'
    return [
        f'<g class="p-axis" {data} data-kind="{kind}">',
        f'<line class="axis" x1="{place}" x2="{place}" y1="0" y2="100%"/>',
        *ticks,
        f'<svg x="{place}" overflow="visible" height="100%" width="1">{grip}</svg>',
        "</g>",
    ]


def legend(style: Style) -> list[Legend]:
    """What the colours and the symbols stand for; nothing of those that stand for nothing."""
    made = []
    if style.colours.name:
        entries = [(_swatch(mark, SYMBOLS[0]), label) for mark, label in style.colours.labels.items()]
        made.append(Legend("Colours", style.colours.name, entries))
    if style.symbols.name:
        entries = [(_swatch("", symbol), label) for symbol, label in style.symbols.labels.items()]
        made.append(Legend("Symbols", style.symbols.name, entries))
    return made


def _swatch(colour: str, symbol: str) -> Markup:
    inside = f'<g class="{colour}">{_SHAPES[symbol]}</g>'
    return Markup(f'<svg class="explore-mark" viewBox="-6 -6 12 12" aria-hidden="true">{inside}</svg>')


def _framed(
    title: str, axes: Sequence[str], lines: Sequence[str], marks: Sequence[str], kind: str, style: str = ""
) -> Markup:
    box = f'viewBox="0 0 {UNITS} {UNITS}" preserveAspectRatio="none" width="100%" height="100%"'
    parts = [
        f'<svg class="explore-drawing is-{kind}" role="img" aria-label="{escape(title)}" style="{style}">',
        *axes,
        f'<svg class="lines" {box}>',
        *lines,
        "</svg>",
        *marks,
        "</svg>",
    ]
    return Markup("".join(parts))


def _mark(point: Point, across: float, up: float, address: str, words: str, style: Style) -> str:
    tone = f"{style.colour(point)}{' is-out' if point.id in style.dimmed else ''}"
    symbol = style.symbols.mark(point.values.get(style.symbols.name))
    place = f'x="{100 * across:.2f}%" y="{100 * (1 - up):.2f}%"'
    drawn = f'<title>{escape(words)}</title><svg {place} overflow="visible">{_SHAPES[symbol]}</svg>'
    leads = f' data-address="{escape(address)}"' if style.linked else ""
    return f'<g class="dot {tone}"{leads}>{drawn}</g>'


def _words(point: Point, x: Axis, y: Axis) -> str:
    values = (f"{axis.name} {text(axis.name, point.values.get(axis.name))}" for axis in (x, y))
    return f"{point.name}: {', '.join(values)}"


def _x_axis(axis: Axis) -> list[str]:
    parts = ['<line class="axis" x1="0" x2="100%" y1="100%" y2="100%"/>', '<svg class="ticks" y="100%">']
    for share, label in axis.ticks:
        place = f"{100 * share:.2f}%"
        parts.append(f'<line class="axis" x1="{place}" x2="{place}" y1="0" y2="3"/>')
        parts.append(f'<text class="x" x="{place}" y="17">{escape(_short(label))}</text>')
    return [*parts, "</svg>"]


def _y_axis(axis: Axis) -> list[str]:
    parts = []
    for share, label in axis.ticks:
        place = f"{100 * (1 - share):.2f}%"
        parts.append(f'<line class="grid" x1="0" x2="100%" y1="{place}" y2="{place}"/>')
        parts.append(f'<text class="y" x="-6" y="{place}" dy="0.35em">{escape(_short(label))}</text>')
    return parts


def _short(label: str) -> str:
    return label if len(label) <= 16 else f"{label[:15]}…"


def _by_configuration(points: Sequence[Point]) -> list[list[Point]]:
    groups: dict[str, list[Point]] = {}
    for point in points:
        groups.setdefault(point.replicates, []).append(point)
    return list(groups.values())


def _path(places: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{UNITS * across:.0f} {UNITS * (1 - up):.0f}" for across, up in places)


def _broken_path(places: Sequence[tuple[float, float] | None]) -> str:
    """A path that leaves out the gaps; a single point between two gaps is a dot."""
    parts: list[list[tuple[float, float]]] = [[]]
    for place in places:
        if place is None:
            parts.append([])
        else:
            parts[-1].append(place)
    return "".join(_path(part) + ("h0" if len(part) == 1 else "") for part in parts if part)
