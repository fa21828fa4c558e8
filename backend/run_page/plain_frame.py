"""The body of a request that logs points, read at the speed of its bytes where nothing is wrong with it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import orjson

from backend.domain.records import MetricFrame
from backend.kit.format import NOT_FINITE

_FIELDS = frozenset({"step", "values", "wall_time"})


def plain_frame(body: bytes) -> MetricFrame | None:
    """The points of a body; None if its shape is wrong, a key stands in it twice, or it is JSON only to some
    readers. What is in the lists is not looked at."""
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:  # NaN without quotes, too
        return None
    if not (isinstance(parsed, dict) and parsed.keys() <= _FIELDS):
        return None
    steps, values, times = parsed.get("step"), parsed.get("values"), parsed.get("wall_time")
    if not (isinstance(steps, list) and isinstance(values, dict) and isinstance(times, list | None)):
        return None
    if not all(isinstance(column, list) for column in values.values()) or _has_repeated_keys(body, parsed):
        return None
    columns = {name: numbers(column) for name, column in values.items()}
    return MetricFrame(steps, [time.time()] * len(steps) if times is None else times, columns)


def _has_repeated_keys(body: bytes, parsed: Mapping[str, Any]) -> bool:
    """Whether there may be a key that stands twice: more colons than the keys that are left account for."""
    colons = len(parsed) + len(parsed["values"]) + sum(name.count(":") for name in parsed["values"])
    return bool(body.count(b":") != colons)


def numbers(column: list[Any]) -> list[Any]:
    """A column of a body, with NaN and infinity for their names."""
    if str not in set(map(type, column)):
        return column
    return [NOT_FINITE.get(each, each) if isinstance(each, str) else each for each in column]
