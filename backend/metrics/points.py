"""Points of one series, and how a segment stores them in bytes.

A segment is an *axis* (steps and wall times) followed by the values:

    widths (2 bytes) · packed (1) · length of the deltas (4) · first step (8) · first wall time (8)
    deltas of the steps, then of the wall times, each in the narrowest integers that hold them
    packed (1 byte) · values as little-endian float64; where packed, their first bytes, then their
        second bytes and so on, so that equal bytes meet

What is packed is deflated. Steps and wall times are regular and shrink to a byte or two a point; values
that were float32 in the model shrink to three or four bytes, others hardly (figures:
docs/decisions/series-storage.md).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from isal import isal_zlib  # zlib's format, written and read in less time
from numpy.typing import NDArray

HEADER = struct.Struct("<BB?Iqq")
LEVEL = 1  # of ISA-L's 0 to 3: higher ones save nothing here
PACK_FROM = 64  # bytes; below, deflate saves nothing worth its call
WIDTHS = (1, 2, 4, 8)
PLAIN, PACKED = b"\x00", b"\x01"

Steps = NDArray[np.int64]
Times = NDArray[np.int64]  # milliseconds since the Unix epoch
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Points:
    """n points: steps (n,), times (n,), values (n,). "In order" means steps ascend, each once."""

    steps: Steps
    times: Times
    values: Values

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, index: slice | NDArray[np.bool_] | NDArray[np.int64]) -> Points:
        return Points(self.steps[index], self.times[index], self.values[index])


def encode_axis(steps: Steps, times: Times) -> bytes:
    """The bytes of the steps (in order) and times; metrics logged together share them."""
    step_width, step_deltas = _narrow(np.diff(steps))
    time_width, time_deltas = _narrow(np.diff(times))
    deltas = step_deltas + time_deltas
    packed = len(deltas) >= PACK_FROM
    if packed:
        deltas = isal_zlib.compress(deltas, level=LEVEL)
    header = HEADER.pack(step_width, time_width, packed, len(deltas), int(steps[0]), int(times[0]))
    return header + deltas


def encode(axis: bytes, values: Values) -> bytes:
    """A segment's bytes."""
    plain = values.astype("<f8", copy=False)
    if plain.nbytes < PACK_FROM:
        return axis + PLAIN + plain.tobytes()
    return axis + PACKED + isal_zlib.compress(_byte_planes(plain).tobytes(), level=LEVEL)


def encode_each(axis: bytes, values: Values) -> list[bytes]:
    """The bytes of a segment of each row of values (m, n), which share an axis."""
    width = values.shape[1] * values.itemsize
    if width >= PACK_FROM:
        return [encode(axis, row) for row in values]
    head, plain = axis + PLAIN, values.astype("<f8", copy=False).tobytes()
    return [head + plain[at : at + width] for at in range(0, len(plain), width)]


def decode(data: bytes, count: int) -> Points:
    """The `count` points that `encode` wrote, in order."""
    step_width, time_width, packed, length, first_step, first_time = HEADER.unpack_from(data)
    deltas = data[HEADER.size : HEADER.size + length]
    if packed:
        deltas = isal_zlib.decompress(deltas)
    middle = step_width * (count - 1)
    return Points(
        _summed(first_step, deltas[:middle], step_width),
        _summed(first_time, deltas[middle:], time_width),
        _decode_values(data, HEADER.size + length, count),
    )


def order_of(steps: Steps) -> slice | NDArray[np.int64]:
    """What puts points in order, by step, and of several at one step takes the last."""
    if bool(np.all(steps[1:] > steps[:-1])):
        return slice(None)  # which copies nothing
    by_step = np.argsort(steps, kind="stable")
    last_of_step = np.append(np.diff(steps[by_step]) > 0, True)
    order: NDArray[np.int64] = by_step[last_of_step]
    return order


def joined(parts: Sequence[Points]) -> Points:
    """Parts of one series, oldest first, as one in order: the newest part wins."""
    if len(parts) == 1:
        return parts[0]
    points = chained(parts)
    return points[order_of(points.steps)]


def chained(parts: Sequence[Points]) -> Points:
    """Parts one after the other, as they come."""
    return Points(
        np.concatenate([part.steps for part in parts]),
        np.concatenate([part.times for part in parts]),
        np.concatenate([part.values for part in parts]),
    )


def chosen(mask: NDArray[np.bool_]) -> slice | NDArray[np.int64]:
    """What picks the points that a mask marks, and copies none where it marks all."""
    return slice(None) if mask.all() else np.flatnonzero(mask)


def within(points: Points, first: int | None, last: int | None) -> Points:
    """The points, which are in order, from step `first` to `last`, both inclusive."""
    low = 0 if first is None else int(np.searchsorted(points.steps, first, side="left"))
    high = len(points) if last is None else int(np.searchsorted(points.steps, last, side="right"))
    return points[low:high]


NONE = Points(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float64))


def _byte_planes(values: Values) -> NDArray[np.uint8]:
    """(n,) float64 -> (8, n) bytes."""
    return np.ascontiguousarray(values.view(np.uint8).reshape(-1, 8).T)


def _decode_values(data: bytes, offset: int, count: int) -> Values:
    if data[offset : offset + 1] == PLAIN:
        return np.frombuffer(data, dtype="<f8", count=count, offset=offset + 1)
    planes = np.frombuffer(isal_zlib.decompress(memoryview(data)[offset + 1 :]), np.uint8).reshape(8, count)
    return np.ascontiguousarray(planes.T).view("<f8").reshape(count)


def _narrow(deltas: NDArray[np.int64]) -> tuple[int, bytes]:
    """The width in bytes of the narrowest signed integer for all deltas, and the deltas in it."""
    largest = max(int(deltas.max()), -int(deltas.min()) - 1) if len(deltas) else 0
    width = next(width for width in WIDTHS if largest < 1 << (8 * width - 1))
    return width, deltas.astype(f"<i{width}").tobytes()


def _summed(first: int, deltas: bytes, width: int) -> NDArray[np.int64]:
    numbers = np.empty(len(deltas) // width + 1, np.int64)
    numbers[0] = first
    numbers[1:] = np.frombuffer(deltas, dtype=f"<i{width}")
    return np.cumsum(numbers, out=numbers)
