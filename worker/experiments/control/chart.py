"""A line chart as an SVG of its own: shares from 0 to 1 over steps or compute, with intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

PLOT, HEIGHT = 514, 400  # width of what is drawn in, height of the whole
LEFT, TOP, BOTTOM = 56, 28, 48  # margins; labels of lines stand on the right
LETTER = 7.4  # width that a letter of a label takes at most, on average
COLOURS = ("#2f6fde", "#d9480f", "#2b8a3e", "#9c36b5", "#0b7285", "#a61e4d", "#7a5c00", "#495057")
BAR_GAP = 26  # from one row of a bar chart to the next
LABEL_GAP = 16  # least distance of two labels
INK, FAINT = "#444c56", "#8b949e"  # legible on white and on a dark page

Place = Callable[[float, float], tuple[float, float]]  # (x, y) of the data -> of the drawing


@dataclass(frozen=True)
class Line:
    """A series: (x, y, low, high) each, with a label at its end."""

    label: str
    points: Sequence[tuple[float, float, float, float]]
    dashed: bool = False


def draw(title: str, x_title: str, y_title: str, lines: Sequence[Line], *, log_x: bool = False) -> str:
    """The chart, readable without colour: every line is named at its end."""
    xs = [point[0] for line in lines for point in line.points]
    first, last = min(xs, default=0.0), max(xs, default=1.0)
    ticks = _log_ticks(first, last) if log_x else _ticks(last)
    scale = math.log10 if log_x else float
    low, high = scale(first), max(scale(last), scale(first) + 1e-9)

    def place(x: float, y: float) -> tuple[float, float]:
        along = (scale(x) - low) / (high - low)
        return LEFT + along * PLOT, TOP + (1 - y) * (HEIGHT - TOP - BOTTOM)

    end = LEFT + PLOT
    parts = [_head(title, end + 24 + _width_of([line.label for line in lines]), HEIGHT)]
    for share in (0, 0.25, 0.5, 0.75, 1):
        x, y = place(first, share)
        parts.append(f'<path d="M{x:.0f} {y:.1f}H{end}" stroke="{FAINT}" stroke-opacity=".35"/>')
        parts.append(_text(x - 8, y + 4, f"{share:.0%}", "end", FAINT))
    for tick in ticks:
        x, y = place(tick, 0)
        parts.append(_text(x, y + 18, f"{tick:g}", "middle", FAINT))
    parts.append(_text(LEFT + PLOT / 2, HEIGHT - 8, x_title, "middle", INK))
    parts.append(_text(8, 16, y_title, "start", INK))
    ends = [place(*line.points[-1][:2])[1] if line.points else 0.0 for line in lines]
    labels = _spread(ends)
    for number, line in enumerate(lines):
        colour = COLOURS[number % len(COLOURS)]
        parts += _line(line, colour, place)
        parts.append(_text(end + 12, labels[number] + 4, line.label, "start", colour))
    return "\n".join([*parts, "</svg>"])


@dataclass(frozen=True)
class Row:
    """A bar: a share with its interval."""

    label: str
    share: float
    low: float
    high: float


def draw_shares(title: str, rows: Sequence[Row]) -> str:
    """Shares below one another as bars from 0 to 100 %, each with its interval and its number."""
    height = TOP + BAR_GAP * len(rows) + 12
    left, width = 20 + _width_of([row.label for row in rows]), PLOT
    parts = [_head(title, left + width + 60, height)]
    for number, row in enumerate(rows):
        y = TOP + BAR_GAP * number
        low, high, end = (left + value * width for value in (row.low, row.high, row.share))
        parts += [
            _text(left - 8, y + 4, row.label, "end", INK),
            f'<path d="M{left:.1f} {y}H{left + width:.1f}" stroke="{FAINT}" stroke-opacity=".35"/>',
            f'<path d="M{left:.1f} {y}H{end:.1f}" stroke="{COLOURS[0]}" stroke-width="12"/>',
            f'<path d="M{low:.1f} {y}H{high:.1f}" stroke="{INK}" stroke-width="2"/>',
            _text(left + width + 12, y + 4, f"{row.share:.0%}", "start", INK),
        ]
    return "\n".join([*parts, "</svg>"])


def _width_of(labels: Sequence[str]) -> float:
    return LETTER * max(map(len, labels), default=0)


def _head(title: str, width: float, height: float) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:g}" role="img" '
        f'aria-label="{escape(title)}" font-family="system-ui, sans-serif" font-size="13">'
        f"\n<title>{escape(title)}</title>"
    )


def _line(line: Line, colour: str, place: Place) -> list[str]:
    parts = []
    for x, y, low, high in line.points:
        at, y_low, y_high = place(x, y), place(x, low)[1], place(x, high)[1]
        if high > low:
            parts.append(
                f'<path d="M{at[0]:.1f} {y_low:.1f}V{y_high:.1f}" stroke="{colour}" stroke-opacity=".4"/>'
            )
        parts.append(f'<circle cx="{at[0]:.1f}" cy="{at[1]:.1f}" r="3" fill="{colour}"/>')
    path = "L".join("{:.1f} {:.1f}".format(*place(x, y)) for x, y, _, _ in line.points)
    dash = ' stroke-dasharray="5 4"' if line.dashed else ""
    parts.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
    return parts


def _spread(ends: Sequence[float]) -> list[float]:
    """Where labels stand so that none covers another: below one another from the topmost on."""
    placed = list(ends)
    order = sorted(range(len(ends)), key=lambda number: ends[number])
    for before, after in pairwise(order):
        placed[after] = max(placed[after], placed[before] + LABEL_GAP)
    for after, before in pairwise(reversed(order)):
        placed[after] = min(placed[after], HEIGHT - BOTTOM)
        placed[before] = min(placed[before], placed[after] - LABEL_GAP)
    return placed


def _ticks(last: float) -> list[float]:
    step = 10 ** math.floor(math.log10(max(last, 1)))
    while last / step < 4:
        step /= 2
    return [step * number for number in range(int(last / step) + 1)]


def _log_ticks(first: float, last: float) -> list[float]:
    powers = range(math.floor(math.log10(first)), math.ceil(math.log10(last)) + 1)
    return [10.0**power for power in powers if first <= 10.0**power <= last]


def _text(x: float, y: float, text: str, anchor: str, colour: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(text)}</text>'
