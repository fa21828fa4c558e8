"""Moments (seconds since 1970) as a person reads them, in the machine's time zone."""

from __future__ import annotations

import time
from datetime import datetime

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
    """Date and time with the zone: `2026-03-01 14:05:09 CET`."""
    return _local(moment).strftime("%Y-%m-%d %H:%M:%S %Z")


def to_the_minute(moment: float | None, missing: str = "") -> str:
    """Date and time of a table's cell: `2026-03-01 14:05`; `missing` for None."""
    return missing if moment is None else _local(moment).strftime("%Y-%m-%d %H:%M")


def time_of_day(moment: float) -> str:
    """`14:05:09`."""
    return _local(moment).strftime("%H:%M:%S")


def time_or_date(moment: float) -> str:
    """The time of day if it is today, else the date and the minute."""
    is_today = _local(moment).date() == _local(time.time()).date()
    return time_of_day(moment) if is_today else to_the_minute(moment)


def iso(moment: float) -> str:
    """ISO 8601 to the second, with the offset from UTC."""
    return _local(moment).isoformat(timespec="seconds")


def _local(moment: float) -> datetime:
    return datetime.fromtimestamp(moment).astimezone()
