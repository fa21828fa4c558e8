"""A grid as SVG: for exported pages and drawings that must stand without a script."""

from __future__ import annotations

from itertools import groupby

from markupsafe import Markup

PALETTE = (
    "#000000", "#0074D9", "#FF4136", "#2ECC40", "#FFDC00",
    "#AAAAAA", "#F012BE", "#FF851B", "#7FDBFF", "#870C25",
)  # fmt: skip
LINE = "#555555"
SIDE = 96.0  # pixels of the longer side


def grid_svg(digits: str, label: str, against: str = "") -> Markup:
    """The grid of these digit rows; a white corner marks each cell that differs from `against`.

    Another size than the truth's is not marked cell by cell: the caption says it.
    """
    rows = digits.split("/") if digits else []
    if not rows:
        return Markup('<svg class="still-grid is-empty" role="img" aria-label="{}, empty"></svg>').format(
            label
        )
    height, width = len(rows), len(rows[0])
    cell = SIDE / max(height, width)
    parts = [
        f'<svg class="still-grid" viewBox="0 0 {width} {height}" width="{width * cell:.0f}" '
        f'height="{height * cell:.0f}" role="img" aria-label="{Markup.escape(label)}" '
        'shape-rendering="crispEdges">',
        f'<rect width="{width}" height="{height}" fill="{LINE}"/>',
    ]
    for y, row in enumerate(rows):
        x = 0
        for digit, run in groupby(row):
            n = len(list(run))
            parts += [
                f'<rect x="{x + i + 0.03:g}" y="{y + 0.03:g}" width=".94" height=".94" '
                f'fill="{PALETTE[int(digit)]}"/>'
                for i in range(n)
            ]
            x += n
    truth = against.split("/") if against else []
    if len(truth) == height and len(truth[0]) == width:
        parts += [
            f'<path d="M{x} {y}h.45l-.45 .45z" fill="#fff" stroke="#000" stroke-width=".05"/>'
            for y in range(height)
            for x in range(width)
            if truth[y][x] != rows[y][x]
        ]
    return Markup("".join([*parts, "</svg>"]))
