"""Labels of the y axis: short, and with as many digits as tell two neighbouring ticks apart.

The server chooses them for its own drawing and for Plotly alike, and makes the left margin as wide as the
longest one needs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import pairwise

from backend.charts import scale

SHORT = 7  # characters; the usual margin holds about as many
FEWEST_DIGITS, MOST_DIGITS = 3, 17  # significant digits of a label
ERROR = 0.01  # of the distance between two ticks: how far a label may be off its tick
LARGE = 10_000  # from here on with a prefix, as 12k
MANY_PERCENT = 1e5
LEFT = 46  # pixels; the usual margin at the left of a chart
GAP = 6  # pixels between the edge of the chart, a label and the axis, together
NARROW, USUAL, BROAD = 3.6, 7.1, 10.5  # pixels; widths of characters at 11 px in the broadest usual font
BROAD_SIGNS = f"%mMGµ{scale.MINUS}"

_Write = Callable[[float, int], str]


def y_labels(unit: str, ticks: Sequence[float], log: bool = False) -> list[str]:
    """The label of each tick on an axis of this unit: 'share' as percent, 'bytes' with prefixes."""
    if unit == "share":
        percentages = [tick * 100 for tick in ticks]
        fits = all(map(math.isfinite, percentages))  # else they are beyond what a float holds
        labels = _percent(percentages, log) if fits else _labels(ticks, (_scientific,))
    elif unit == "bytes":
        labels = _labels(ticks, (_prefixed, _scientific))
    elif max(map(abs, ticks), default=0.0) >= LARGE and not (log and min(ticks) < 1):
        labels = _labels(ticks, (_prefixed, _plain, _scientific))
    else:
        labels = _labels(ticks, (_plain, _scientific))
    return [label.replace("-", scale.MINUS) for label in labels]


def left_margin(labels: Sequence[str]) -> int:
    """Pixels from the left edge of a chart to its y axis: what the longest label needs, or LEFT."""
    return max(LEFT, GAP + math.ceil(max(map(_width, labels), default=0.0)))


def _percent(values: Sequence[float], log: bool) -> list[str]:
    """Percentages with the same number of decimals; uneven and huge ones as other numbers are written."""
    decimals = _decimals(_step(values))
    if not log and max(map(abs, values), default=0.0) < MANY_PERCENT and decimals <= scale.DIGITS:
        return [f"{value:.{decimals}f}%" for value in values]
    return [f"{label}%" for label in _labels(values, (_plain, _scientific))]


def _labels(ticks: Sequence[float], writers: Sequence[_Write]) -> list[str]:
    """The ticks as the first writer does that keeps them short; else by the one that keeps them shortest."""
    digits = _digits(ticks)
    written = [[write(tick, digits) for tick in ticks] for write in writers]
    return min(written, key=lambda labels: max(SHORT, *map(len, labels), 0))


def _digits(ticks: Sequence[float]) -> int:
    """Significant digits that put every label within ERROR of its tick."""
    off = ERROR * _step(ticks)
    for digits in range(FEWEST_DIGITS, MOST_DIGITS):
        if all(abs(float(f"{tick:.{digits}g}") - tick) <= off for tick in ticks):
            return digits
    return MOST_DIGITS


def _step(ticks: Sequence[float]) -> float:
    """The least distance between two ticks; of one alone, its own size."""
    if len(ticks) < 2:
        return max(map(abs, ticks), default=1.0)
    return min(abs(above - below) for below, above in pairwise(ticks))


def _decimals(step: float) -> int:
    """Digits after the point that multiples of 1, 2 or 5 times a power of ten have."""
    return max(0, -math.floor(math.log10(step) + 1e-9)) if step else 0


def _plain(value: float, digits: int) -> str:
    """Without an exponent: 0.00025."""
    text = f"{Decimal(f'{value:.{digits}g}'):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _prefixed(value: float, digits: int) -> str:
    """With a prefix for thousands: 12.5k."""
    return scale.with_prefix(value, digits)


def _scientific(value: float, digits: int) -> str:
    """With a power of ten, where the number is not near one: 2.5e-4."""
    if value == 0 or 0.001 <= abs(value) < 1000:
        return _plain(value, digits)
    mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return f"{mantissa}e{int(exponent)}"


def _width(label: str) -> float:
    return sum(NARROW if sign == "." else BROAD if sign in BROAD_SIGNS else USUAL for sign in label)
