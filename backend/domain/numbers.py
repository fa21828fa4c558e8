"""Numbers as a person reads them."""

from __future__ import annotations

import math

NO_VALUE = "–"
NBSP = "\N{NARROW NO-BREAK SPACE}"


def percent(share: float | None, digits: int = 1) -> str:
    """0.631 -> `63.1 %`; what would round to nothing but is something -> `< 0.1 %`."""
    if share is None or not math.isfinite(share):
        return NO_VALUE
    text = f"{share * 100:.{digits}f}"
    if float(text) == 0 and share > 0:
        return f"<{NBSP}{10**-digits:.{digits}f}{NBSP}%"
    return f"{_no_negative_zero(text)}{NBSP}%"


def points(difference: float | None) -> str:
    """The difference of two shares: 0.413 -> `41 points`, 0.004 -> `0.40 points`, 1e-6 -> `< 0.1 points`."""
    if difference is None or not math.isfinite(difference):
        return NO_VALUE
    if 0 < abs(difference) < 0.001:
        return f"<{NBSP}0.1 points"
    return f"{significant(difference * 100, 2)} points"


def signed(value: float, digits: int = 1) -> str:
    """A difference: 7.04 -> `+7.0`, -3.1 -> `−3.1`, -0.01 -> `0.0`."""
    text = f"{abs(value):.{digits}f}"
    sign = "" if float(text) == 0 else "+" if value > 0 else "−"
    return f"{sign}{text}"


def p_value(p: float) -> str:
    """0.0312 -> `0.031`, 1.1e-05 -> `< 0.0001`."""
    return f"<{NBSP}0.0001" if p < 1e-4 else significant(p, 2)


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


def _no_negative_zero(text: str) -> str:
    return text.removeprefix("-") if float(text) == 0 else text


def solved(number: float) -> str:
    """Solved tasks: whole, or with the share of a task that has several test inputs."""
    return f"{number:.0f}" if float(number).is_integer() else f"{number:.2f}".rstrip("0")
