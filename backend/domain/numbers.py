"""Numbers as a person reads them."""

from __future__ import annotations

import math

NO_VALUE = "–"
NBSP = "\N{NARROW NO-BREAK SPACE}"


def percent(share: float | None, digits: int = 1) -> str:
    """0.631 -> `63.1 %`."""
    return NO_VALUE if share is None or not math.isfinite(share) else f"{share * 100:.{digits}f}{NBSP}%"


def points(difference: float | None) -> str:
    """The difference of two shares: 0.413 -> `41 points`, 0.004 -> `0.4 points`."""
    if difference is None or not math.isfinite(difference):
        return NO_VALUE
    return f"{significant(difference * 100, 2)} points"


def significant(value: float | None, digits: int = 3) -> str:
    """A measured value in `digits` digits, thousands grouped: 0.357, 1,240, 3.1e-06."""
    if value is None or not math.isfinite(value):
        return NO_VALUE
    if value == 0:
        return "0"
    if abs(value) < 1e-4 or abs(value) >= 1e9:
        return f"{value:.{digits - 1}e}"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{decimals}f}"


def solved(number: float) -> str:
    """Solved tasks: whole, or with the share of a task that has several test inputs."""
    return f"{number:.0f}" if float(number).is_integer() else f"{number:.2f}".rstrip("0")
