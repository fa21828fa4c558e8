"""A metric frame, checked, as columns of points in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.domain.metrics import MAX_NAME_LENGTH as MAX_NAME
from backend.domain.metrics import is_well_formed
from backend.domain.records import MetricFrame
from backend.kit.format import counted
from backend.kit.problems import invalid
from backend.kit.text import trimmed
from backend.metrics.points import Points, Steps, Times, Values, encode_axis, order_of
from backend.metrics.segment_rows import chunks_of, segment_row

_invalid = partial(invalid, "The metrics were not written.")

MAX_STEP = 2**53 - 1  # the largest whole number that JSON and JavaScript hold
MAX_WALL_TIME = 1e11  # seconds; above it someone sent milliseconds
MAX_NAMES = 1000


class Axis:
    """Steps in order and their times, encoded chunk by chunk: once for all metrics logged together."""

    def __init__(self, steps: Steps, times: Times, present: NDArray[np.bool_] | None = None) -> None:
        """`present` says at which steps there is a point; None: at all of them."""
        places = np.arange(len(steps)) if present is None else np.flatnonzero(present)
        self.places = places[order_of(steps[places])]  # where in the frame the points stand
        self.steps, self.times = steps[self.places], times[self.places]
        self.chunks = [(part, encode_axis(self.steps[part], self.times[part])) for part in self._parts()]

    def _parts(self) -> list[slice]:
        return chunks_of(len(self.places))


@dataclass(frozen=True)
class Column:
    """The points of one metric, in order, at least one."""

    name: str
    axis: Axis
    values: Values

    def rows(self, series_id: int, version: int) -> Iterator[dict[str, Any]]:
        """Its segments."""
        points = Points(self.axis.steps, self.axis.times, self.values)
        for part, encoded_axis in self.axis.chunks:
            yield segment_row(series_id, version, points[part], encoded_axis)


def columns_of(frame: MetricFrame) -> list[Column]:
    """The frame's metrics that have any point. InvalidInput names the field and what is wrong with it."""
    steps, times = checked_axis(frame)
    check_names(frame)
    axes: dict[bytes, Axis] = {}
    columns = []
    for name, given in frame.values.items():
        values, present = _checked_values(f"values.{name}", given, len(steps))
        key = present.tobytes()
        if present.any():
            axis = axes.get(key) or axes.setdefault(key, Axis(steps, times, present))
            columns.append(Column(name, axis, values[axis.places]))
    return columns


def checked_axis(frame: MetricFrame) -> tuple[Steps, Times]:
    """Steps (n,) and times in milliseconds (n,) of a frame. InvalidInput."""
    steps = _numbers("step", frame.steps)
    seconds = _numbers("wall_time", frame.wall_times).astype(np.float64)
    if len(seconds) != len(steps):
        raise _invalid("wall_time", _unequal(len(seconds), len(steps)))
    if not np.all((steps >= 0) & (steps <= MAX_STEP) & (np.floor(steps) == steps)):
        raise _invalid("step", f"must contain whole numbers from 0 to {MAX_STEP}.")
    if not np.all((seconds >= 0) & (seconds <= MAX_WALL_TIME)):
        raise _invalid(
            "wall_time", "must contain seconds since 1970.", "Are these milliseconds? Divide by 1000."
        )
    return steps.astype(np.int64), np.round(seconds * 1000).astype(np.int64)


def check_names(frame: MetricFrame) -> None:
    """InvalidInput for what cannot name a metric, and for too many of them."""
    if len(frame.values) > MAX_NAMES:
        raise _invalid("values", f"has {len(frame.values)} metrics; one request takes {MAX_NAMES}.")
    for name in frame.values:
        if not trimmed(name) or not is_well_formed(name):
            raise _invalid(
                f"values.{name[:MAX_NAME]}",
                f"{name[:20]!r} cannot name a metric: a name has 1 to {MAX_NAME} characters, none of them a "
                "comma, a backtick or a control character, and no space at its ends.",
            )


def _checked_values(field: str, given: Sequence[float | None], n: int) -> tuple[Values, NDArray[np.bool_]]:
    """(values (n,), present (n,)): None is no point, NaN is one."""
    if len(given) != n:
        raise _invalid(field, _unequal(len(given), n))
    values = _numbers(field, given).astype(np.float64)
    if not np.isnan(values).any():
        return values, np.ones(n, dtype=bool)
    return values, np.array([value is not None for value in given], dtype=bool)


def _unequal(entries: int, steps: int) -> str:
    return f"has {counted(entries, 'entry', 'entries')} for {counted(steps, 'step')}."


def _numbers(field: str, given: Sequence[float | None]) -> NDArray[Any]:
    """A flat array of numbers. Text that looks like a number is refused, not guessed at."""
    try:
        array = np.asarray(given)
        if array.dtype.kind == "O" and all(value is None or isinstance(value, Real) for value in given):
            array = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise _invalid(field, "must be a flat list of numbers.") from None
    if array.ndim != 1 or array.dtype.kind not in "iuf":
        raise _invalid(field, "must be a flat list of numbers.")
    return array
