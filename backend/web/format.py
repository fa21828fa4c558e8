"""What templates show values with: the filters of the templates' environment."""

from __future__ import annotations

from backend.domain.experiment import adaptation_words, search_words
from backend.domain.looks import look_of
from backend.domain.measurement import weights_name
from backend.domain.records import mode_words
from backend.kit import clock, format, lists
from backend.kit.format import worker_name


def grid_shape(digits: str) -> str:
    """`3×4` for a grid of 3 rows and 4 columns; `empty`."""
    rows = digits.split("/") if digits else []
    return f"{len(rows)}×{len(rows[0])}" if rows else "empty"


MAX_CELL = 28  # CSS pixels: small grids are drawn so large, and no larger


def grid_box(digits: str, against: str = "", side: int = 112) -> tuple[int, int, int]:
    """(width, height, cell) in CSS pixels of a grid drawn within `side`, the truth's size included: known
    before any script runs, so that nothing moves when it is drawn."""
    shapes = [each.split("/") for each in (digits, against) if each]
    height = max((len(rows) for rows in shapes), default=1)
    width = max((len(rows[0]) for rows in shapes), default=1)
    cell = min(MAX_CELL, max(1, side // max(height, width)))
    return width * cell + 1, height * cell + 1, cell


FILTERS = {
    each.__name__: each
    for each in (
        look_of,
        format.percent,
        format.fine_percent,
        format.points,
        format.significant,
        format.count,
        format.counted,
        format.plural_of,
        format.solved,
        format.signed,
        format.p_value,
        format.size,
        format.duration,
        clock.ago,
        clock.clock,
        clock.time_of_day,
        clock.iso,
        adaptation_words,
        search_words,
        lists.as_text,
        lists.quoted,
        mode_words,
        grid_shape,
        grid_box,
        worker_name,
        weights_name,
    )
}
