"""Numbers, sizes, durations and plurals as a person reads them; words.js shows the same in the browser."""

from __future__ import annotations

import math
from collections.abc import Sequence

NO_VALUE = "–"
NBSP = "\N{NARROW NO-BREAK SPACE}"
LONG = 1e6  # times 100 % or 1 TB: a larger one stands as a power of ten
FINEST = 0.001  # percent: less is too little to matter, however fine it is told
NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}  # as JSON and files say them


def finite(value: float | None) -> float | None:
    """JSON has no NaN and no infinity: None for them."""
    return value if value is not None and math.isfinite(value) else None


def sayable(value: float | None) -> float | str | None:
    """As JSON, CSV and filters have it: `"NaN"`, `"Infinity"`, `"-Infinity"` for what is no finite number."""
    if value is None or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def short_number(value: float, digits: int = 6) -> str:
    """For terminals: `0.123457`, `NaN`, `-Infinity`."""
    return f"{value:.{digits}g}" if math.isfinite(value) else str(sayable(value))


def not_finite(value: float | None) -> str:
    """For people: NaN and infinity are values and have a name; a dash is no value."""
    if value is None:
        return NO_VALUE
    return "NaN" if math.isnan(value) else "∞" if value > 0 else "−∞"


def first_of(names: Sequence[str], most: int) -> str:
    """`a, b and 3 more`: up to `most` of them by name."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")


def percent(share: float | None, digits: int = 1) -> str:
    """0.631 -> `63.1 %`; what would round to nothing but is something -> `< 0.1 %`."""
    if share is None or not math.isfinite(share):
        return not_finite(share)
    if abs(share) >= LONG:
        return f"{significant(share)}{NBSP}× 100{NBSP}%"
    text = f"{share * 100:.{digits}f}"
    if float(text) == 0 and share > 0:
        return f"<{NBSP}{10**-digits:.{digits}f}{NBSP}%"
    return f"{_no_negative_zero(text)}{NBSP}%"


def fine_percent(share: float | None, digits: int = 1) -> str:
    """Of what may be small and still matters: as `percent`, with two digits where it has fewer:
    0.357 -> `35.7 %`, 0.0003 -> `0.03 %`, 9.1e-7 -> `< 0.001 %`."""
    if share is None or not 0 < share * 100 < 10 ** (1 - digits):
        return percent(share, digits)
    if share * 100 < FINEST:
        return f"<{NBSP}{FINEST}{NBSP}%"
    text = significant(share * 100, 2)
    return f"{text.rstrip('0').removesuffix('.') if '.' in text else text}{NBSP}%"


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
        return not_finite(value)
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


def interval(low: float, high: float) -> str:
    """The interval of a difference of two shares, in points: (-0.031, 0.12) -> `[-3 to 12]`."""
    return f"[{low * 100:.0f} to {high * 100:.0f}]"


def count(number: int | None) -> str:
    """175000 -> `175,000`."""
    return NO_VALUE if number is None else f"{number:,}"


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number of things: `1 run`, `1,200 runs`; `plural` where it is not the noun with an s."""
    return f"{number:,} {plural_of(number, noun, plural)}"


def plural_of(number: int, noun: str, plural: str = "") -> str:
    """The noun that follows a number: `run` after 1, else `runs` (or `plural`)."""
    return noun if number == 1 else plural or f"{noun}s"


def size(number: float | None) -> str:
    """Bytes: 7340032 -> `7.3 MB`."""
    if number is None or not math.isfinite(number):
        return not_finite(number)
    if abs(number) >= LONG * 1e12:
        return f"{significant(number)}{NBSP}B"
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


def rough_duration(seconds: float) -> str:
    """One unit, for an estimate that is no better than that: `45 s`, `12 min`, `3.5 h`, `2.1 days`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} days"


def worker_name(worker_id: str) -> str:
    """A worker's id, HOST.NAMESPACE.PID.START, in words."""
    host, *rest = worker_id.rsplit(".", 3)
    return f"{host} (process {rest[1]})" if len(rest) == 3 else worker_id
