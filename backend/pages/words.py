"""Numbers and moments as a person reads them; registered as template filters."""

from __future__ import annotations

import math
import time
from datetime import datetime

from backend.domain.experiment.search import search_words
from backend.domain.measurement import weights_name
from backend.domain.numbers import NBSP, NO_VALUE, p_value, percent, points, signed, significant, solved
from backend.services.workers import spoken


def count(number: int | None) -> str:
    """175000 -> `175,000`."""
    return NO_VALUE if number is None else f"{number:,}"


def size(number: float | None) -> str:
    """Bytes: 7340032 -> `7.3 MB`."""
    if number is None or not math.isfinite(number):
        return NO_VALUE
    for unit in ("B", "kB", "MB", "GB"):
        if abs(number) < 1000:
            return f"{number:.0f}{NBSP}{unit}" if unit == "B" else f"{number:.1f}{NBSP}{unit}"
        number /= 1000
    return f"{number:.2f}{NBSP}TB"


def duration(seconds: float | None) -> str:
    """Two units at most: `3 m 12 s`, `2 h 5 m`, `1 d 4 h`."""
    if seconds is None:
        return NO_VALUE
    whole = max(0, round(seconds))
    parts = ((whole // 86400, "d"), (whole // 3600 % 24, "h"), (whole // 60 % 60, "m"), (whole % 60, "s"))
    first = next((i for i, (number, _) in enumerate(parts) if number), len(parts) - 1)
    shown = [f"{number}{NBSP}{unit}" for number, unit in parts[first : first + 2] if number]
    return " ".join(shown) or f"0{NBSP}s"


def ago(moment: float) -> str:
    """How long ago, in one unit; main.js says the same from then on."""
    seconds = max(0.0, time.time() - moment)
    if seconds < 10:
        return "just now"
    for length, unit in ((86400, "d"), (3600, "h"), (60, "m"), (1, "s")):
        if seconds >= length:
            return f"{seconds // length:.0f}{NBSP}{unit} ago"
    return "just now"


def clock(moment: float) -> str:
    """The absolute time of a moment, with its zone."""
    return datetime.fromtimestamp(moment).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")


def time_of_day(moment: float) -> str:
    return datetime.fromtimestamp(moment).astimezone().strftime("%H:%M:%S")


def iso(moment: float) -> str:
    return datetime.fromtimestamp(moment).astimezone().isoformat(timespec="seconds")


def grid_shape(digits: str) -> str:
    """`3×4` for a grid of 3 rows and 4 columns; `empty`."""
    rows = digits.split("/") if digits else []
    return f"{len(rows)}×{len(rows[0])}" if rows else "empty"


LARGEST_CELL = 14  # CSS pixels, as in grids.js


def grid_box(digits: str, against: str = "", side: int = 112) -> tuple[int, int, int]:
    """(width, height, cell) in CSS pixels of a grid drawn within `side`, the truth's size included: known
    before any script runs, so that nothing moves when it is drawn."""
    shapes = [each.split("/") for each in (digits, against) if each]
    height = max((len(rows) for rows in shapes), default=1)
    width = max((len(rows[0]) for rows in shapes), default=1)
    cell = min(LARGEST_CELL, max(1, side // max(height, width)))
    return width * cell + 1, height * cell + 1, cell


FILTERS = {
    each.__name__: each
    for each in (
        percent,
        points,
        significant,
        count,
        search_words,
        solved,
        signed,
        p_value,
        size,
        duration,
        ago,
        clock,
        time_of_day,
        iso,
        grid_shape,
        grid_box,
        spoken,
        weights_name,
    )
}
