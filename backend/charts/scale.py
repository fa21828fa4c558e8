"""Ranges, ticks and their texts, chosen as Plotly chooses them: a chart that the server drew stays in its
place when Plotly takes it over.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime

from backend.charts.lines import Axis

MINUS = "\N{MINUS SIGN}"
PAD = 0.05  # of the axis's length, above and below the lines
X_TICKS, Y_TICKS = 6, 5  # at most, about
TICK_SLACK = 1e-4  # of the range, as Plotly
LIMIT = 1e300  # axes reach so far to both sides: beyond it the length of a range is no number
NARROWEST = 1e-290  # length of a range: below it the distance between two ticks is no number
RESOLUTION = 1e-12  # of the largest value: a shorter range holds too few numbers to divide
ROOM = 1e-9  # of the largest value: added to both sides of such a range
LOG_LIMITS = (-323.3, 308.25)  # exponents of the least and the greatest number there is
DIGITS = 12  # after the point of a share, at most
LAST_MOMENT = 253_402_300_799.0  # the end of the year 9999
ZONE = "UTC"  # of every moment, here and in axis.js
UNITS = ((86400.0, " d"), (3600.0, " h"), (60.0, " min"), (1.0, " s"))
CLOCK_STEPS = (1, 5, 15, 30, 60, 300, 900, 1800, 3600, 10800, 21600, 43200, 86400)

Range = tuple[float, float]
Ticks = list[tuple[float, str]]


def flat(low: float, high: float) -> Range:
    """A range that ticks can divide, whatever the data: one too short is widened about its middle."""
    low, high = min(low, high), max(low, high)
    low, high = (min(max(end, -LIMIT), LIMIT) for end in (low, high))
    largest = max(abs(low), abs(high))
    if high - low > max(NARROWEST, RESOLUTION * largest):
        return low, high
    around = min(1.0, largest / 2) or 1.0  # of one value, which stands in the middle
    room = max(around if low == high else 0.0, NARROWEST, ROOM * largest)
    return low - room, high + room


def flat_exponents(low: float, high: float) -> Range:
    """The same for a logarithmic axis, within the exponents that numbers have."""
    low, high = (low - 1, high + 1) if high - low < RESOLUTION * max(1.0, abs(low)) else (low, high)
    return max(low, LOG_LIMITS[0]), min(high, LOG_LIMITS[1])


def padded(low: float, high: float, to_zero: bool = False) -> Range:
    """The range that leaves PAD of its length free beyond both ends, or beyond the top of one from zero."""
    if to_zero and low >= 0:
        return (0.0, high + high / (1 - PAD) * PAD) if high > NARROWEST else (0.0, 1.0)
    low, high = flat(low, high)
    margin = (high - low) / (1 - 2 * PAD) * PAD
    return low - margin, high + margin


def ticks(low: float, high: float, most: int) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten, about `most`; those just outside too, as in Plotly."""
    step = tick_step(low, high, most)
    slack = TICK_SLACK * (high - low)
    first = math.ceil((low - slack) / step)
    last = math.floor((high + slack) / step)
    places = 1 - math.floor(math.log10(step))
    return [round(number * step, places) for number in range(first, last + 1)]


def tick_step(low: float, high: float, most: int) -> float:
    """The distance between two ticks."""
    rough = max((high - low) / most, NARROWEST / most)
    base = 10.0 ** math.floor(math.log10(rough))
    return next((each for each in (1.0, 2.0, 5.0) if each >= rough / base * (1 - 1e-12)), 10.0) * base


def log_ticks(low: float, high: float) -> list[float]:
    """Round values between two powers of ten (their exponents given), few enough to read."""
    decades = range(math.floor(low), math.ceil(high) + 1)
    for multiples in ((1, 2, 5), (1, 3), (1,)):
        places = [(m, d) for d in decades for m in multiples if low <= math.log10(m) + d <= high]
        found = [float(f"{m}e{d}") for m, d in places]
        if len(found) <= Y_TICKS + 1:
            return found if len(found) > 1 else _within_a_decade(low, high)
    stride = math.ceil(len(decades) / Y_TICKS)
    return [float(f"1e{d}") for d in decades if d % stride == 0 and low <= d <= high]


def _within_a_decade(low: float, high: float) -> list[float]:
    return [each for each in ticks(10.0**low, 10.0**high, Y_TICKS) if each > 0]


def y_format(unit: str, low: float, high: float, log: bool = False) -> str:
    """How d3 writes the ticks that Plotly chooses where a run outgrows the server's (tick_labels.py)."""
    if unit == "bytes":
        return ".3~s"
    if log:
        return ".6~%" if unit == "share" else ".3~g"
    if unit == "share":
        step = tick_step(low, high, Y_TICKS) if high > low else 1.0
        return f".{min(DIGITS, max(0, -math.floor(math.log10(step * 100) + 1e-9)))}%"
    return "~s" if max(abs(low), abs(high)) >= 10_000 else ".6~g"


def formatted(value: float, form: str) -> str:
    """A tick's text in one of the d3 formats of `x_format`."""
    text = with_prefix(value, 12) if form.endswith("s") else _trimmed(value, int(form[1]))
    return text.replace("-", MINUS)


def x_ticks(axis: Axis, low: float, high: float) -> Ticks:
    """Ticks of the x axis and their texts."""
    if axis == "wall":
        texts_of = [(at, clock_text(at, high - low)) for at in clock_ticks(low, high)]
        return [(at, f"{text} {ZONE}" if not i else text) for i, (at, text) in enumerate(texts_of)]
    unit, suffix = time_unit(high) if axis == "time" else (1.0, "")
    form = x_format(axis)
    found = ticks(low / unit, high / unit, X_TICKS)
    return [(at * unit, formatted(at, form) + suffix) for at in found]


def x_format(axis: Axis) -> str:
    """How d3 writes the ticks of the x axis."""
    return "~s" if axis in ("step", "samples") else ".6~g"


def time_unit(longest: float) -> tuple[float, str]:
    """The unit in which this many seconds are read."""
    return next((unit for unit in UNITS if longest >= 2 * unit[0]), UNITS[-1])


def clock_ticks(low: float, high: float) -> list[float]:
    """Round times of day in UTC, in seconds since 1970; none before that and after the year 9999."""
    low, high = max(low, 0.0), min(high, LAST_MOMENT)
    if high <= low:
        return []
    step = next((each for each in CLOCK_STEPS if (high - low) / each <= X_TICKS), 0)
    step = step or 86400 * math.ceil((high - low) / 86400 / X_TICKS)
    return [float(number * step) for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


def clock_text(moment: float, span: float) -> str:
    """A time of day, or a day where days are shown."""
    form = "%d %b" if span > 86400 * 3 else "%d %b %H:%M" if span > 86400 else "%H:%M"
    return datetime.fromtimestamp(moment, UTC).strftime(form if span > 300 else "%H:%M:%S")


def with_prefix(value: float, digits: int) -> str:
    """The number with a prefix for a power of a thousand: 12.5k."""
    if value == 0:
        return "0"
    exponent = max(-8, min(8, math.floor(math.log10(abs(value)) / 3)))
    prefix = ("y", "z", "a", "f", "p", "n", "µ", "m", "", "k", "M", "G", "T", "P", "E", "Z", "Y")[
        exponent + 8
    ]
    return f"{_trimmed(value / 1000.0**exponent, digits)}{prefix}"


def _trimmed(value: float, digits: int) -> str:
    text = f"{value:.{digits}g}"
    mantissa, e, exponent = text.partition("e")
    if not e:
        return text
    return f"{mantissa}e{int(exponent):+d}"
