"""Moments (seconds since 1970) as a person reads them, in UTC.

One zone for ticks, tooltips, tables, files and filters (axis.js and words.js keep to it): people of several
zones read one lab.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

from backend.kit.format import NBSP


def ago(moment: float) -> str:
    """How long ago, in one unit; words.js keeps it up to date in the browser."""
    seconds = max(0.0, time.time() - moment)
    if seconds < 10:
        return "just now"
    for length, unit in ((86400, "d"), (3600, "h"), (60, "m"), (1, "s")):
        if seconds >= length:
            return f"{seconds // length:.0f}{NBSP}{unit} ago"
    return "just now"


def clock(moment: float) -> str:
    """Date and time with the zone: `2026-03-01 14:05:09 UTC`."""
    return _utc(moment).strftime("%Y-%m-%d %H:%M:%S %Z")


def to_the_minute(moment: float | None, missing: str = "") -> str:
    """Date and time of a table's cell: `2026-03-01 14:05 UTC`; `missing` for None."""
    return missing if moment is None else _utc(moment).strftime("%Y-%m-%d %H:%M %Z")


def time_of_day(moment: float) -> str:
    """`14:05:09 UTC`."""
    return _utc(moment).strftime("%H:%M:%S %Z")


def time_or_date(moment: float) -> str:
    """The time of day if it is today, else the date and the minute."""
    is_today = _utc(moment).date() == _utc(time.time()).date()
    return time_of_day(moment) if is_today else to_the_minute(moment)


def iso(moment: float) -> str:
    """ISO 8601 to the second, with the offset from UTC."""
    return _utc(moment).isoformat(timespec="seconds")


def _utc(moment: float) -> datetime:
    return datetime.fromtimestamp(moment, UTC)
