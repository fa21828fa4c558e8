"""A grid as SVG: for exported pages and drawings that must stand without a script."""

from __future__ import annotations

from itertools import groupby

from markupsafe import Markup

from backend.domain.arc.grid import PALETTE

LINE = "#555555"
SIDE = 96  # pixels that the longer side has at most


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
    cell = max(3, SIDE // max(height, width))  # whole pixels: every line is as wide as the others
    parts = [
        f'<svg class="still-grid" viewBox="0 0 {width} {height}" width="{width * cell}" '
        f'height="{height * cell}" role="img" aria-label="{Markup.escape(label)}" '
        'shape-rendering="crispEdges">',
    ]
    for y, row in enumerate(rows):
        x = 0
        for digit, run in groupby(row):
            n = len(list(run))
            parts.append(f'<rect x="{x}" y="{y}" width="{n}" height="1" fill="{PALETTE[int(digit)]}"/>')
            x += n
    lines = [f"M{x} 0V{height}" for x in range(width + 1)] + [f"M0 {y}H{width}" for y in range(height + 1)]
    parts.append(
        f'<path d="{"".join(lines)}" fill="none" stroke="{LINE}" vector-effect="non-scaling-stroke"/>'
    )
    truth = against.split("/") if against else []
    if len(truth) == height and len(truth[0]) == width:
        parts += [
            f'<path d="M{x} {y}h.45l-.45 .45z" fill="#fff" stroke="#000" stroke-width=".05"/>'
            for y in range(height)
            for x in range(width)
            if truth[y][x] != rows[y][x]
        ]
    return Markup("".join([*parts, "</svg>"]))
