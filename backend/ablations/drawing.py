"""The picture of a card: the share that each row solves, with its interval, beside that of the right context.

It is a file of its own: text takes the ink of its surroundings.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup, escape

from backend.ablations.views import AblationRow, AblationView
from backend.kit.format import counted, p_value

LABEL, PLOT, VALUE = 214, 420, 214  # widths: names of rows, bars, numbers
ROW, HEAD, FOOT = 24, 46, 34  # heights
PART_GAP = 10  # before the first row of another part
BAR = 12
# Legible on white and on a dark page; the right context has no verdict.
COLOURS = {"worse": "#c2410c", "better": "#15803d", "undecided": "#64748b", "": "#2563eb"}
GRID = "#8b949e"
_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


def draw(view: AblationView) -> Markup:
    """The rows that are finished, as an SVG."""
    rows = [row for row in view.rows if row.score and row.score.n]
    places = _places(rows)
    end = (places[-1] if places else HEAD) + ROW
    width, height = LABEL + PLOT + VALUE, end + FOOT
    title = f"Ablation of step {view.step:,} of {view.run_name}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'role="img" aria-label="{escape(title)}: pass@1 of {counted(len(rows), "row")}" '
        'font-family="system-ui, sans-serif" font-size="13" fill="currentColor">',
        f"<title>{escape(title)}</title>",
        _text(0, 16, title, "start", 'font-weight="600"'),
        _text(0, 34, f"pass@1 on {counted(view.n, 'task')} of {view.set}", "start", 'opacity=".75"'),
    ]
    for share in _SHARES:
        x = _x(share)
        parts.append(f'<path d="M{x:.1f} {HEAD}V{end}" stroke="{GRID}" stroke-opacity=".35"/>')
        parts.append(_text(x, end + 16, f"{share:.0%}", "middle", 'opacity=".75"'))
    if rows and rows[0].score and rows[0].score.share is not None:
        x = _x(rows[0].score.share)
        dash = 'stroke-dasharray="4 3" stroke-width="1.5"'
        parts.append(f'<path d="M{x:.1f} {HEAD}V{end}" stroke="{COLOURS[""]}" {dash}/>')
    for row, y in zip(rows, places, strict=True):
        parts += _row(row, y)
    return Markup("\n".join([*parts, "</svg>"]))


def _places(rows: Sequence[AblationRow]) -> list[int]:
    """Where each row begins; a new part stands apart."""
    places: list[int] = []
    y, part = HEAD, ""
    for row in rows:
        y += PART_GAP if places and row.part != part else 0
        places.append(y)
        y, part = y + ROW, row.part
    return places


def _row(row: AblationRow, top: int) -> list[str]:
    assert row.score
    score, middle = row.score, top + ROW / 2
    verdict = row.against.verdict if row.against else ""
    colour = COLOURS[verdict]
    share, low, high = (_x(value) for value in (score.share or 0.0, score.low, score.high))
    numbers = f"{score.solved:g}/{score.n}"
    if row.against:
        p = p_value(row.against.p_adjusted)
        numbers += f"  {verdict}, p {p if p.startswith('<') else f'= {p}'}"
    return [
        _text(LABEL - 10, middle + 4, row.name, "end"),
        f'<rect x="{LABEL}" y="{middle - BAR / 2:.1f}" width="{share - LABEL:.1f}" height="{BAR}" '
        f'fill="{colour}" fill-opacity=".55"/>',
        f'<path d="M{low:.1f} {middle:.1f}H{high:.1f}M{low:.1f} {middle - 4:.1f}v8M{high:.1f} '
        f'{middle - 4:.1f}v8" stroke="{colour}" stroke-width="1.5" fill="none"/>',
        _text(LABEL + PLOT + 12, middle + 4, numbers, "start"),
    ]


def _x(share: float) -> float:
    return LABEL + min(max(share, 0.0), 1.0) * PLOT


def _text(x: float, y: float, text: str, anchor: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {more}>{escape(text)}</text>'
