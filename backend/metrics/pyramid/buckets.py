"""Consecutive points of one series summed up in buckets, and the bytes of a tile of buckets.

A bucket of level k holds `size_of(k)` points, counted from the first point of the series: bucket i of a
level holds points i * size to (i + 1) * size - 1. Only the last bucket of a level may hold fewer. A bucket
keeps its least and its greatest finite point and its first and last point that is NaN or infinite. All of
these are recorded points, so buckets of buckets are the same as buckets of points.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.metrics.points import NONE, Points, Values, chained, decode, encode, encode_axis, order_of

BASE = 16  # points of a bucket of level 0
FACTOR = 4  # buckets of one level in a bucket of the next
LEVELS = 8  # the last has buckets of 262,144 points: 764 for 200 million
TILE = 1024  # buckets of a tile; a multiple of FACTOR
HEADER = struct.Struct("<7I")  # bytes of its four blobs, its buckets and marks, points of the last bucket
MAX_MEAN = 3e38  # what a float32 holds

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Buckets:
    """n buckets in order."""

    numbers: Ints  # (n,), ascending
    counts: Ints  # (n,) points
    finite: Ints  # (n,) points whose value is finite
    first_steps: Ints  # (n,)
    means: Values  # (n,) of the finite values, 0 where there is none
    least: Points  # (n,); any point where none is finite
    greatest: Points  # (n,); likewise
    marks: Points  # of each bucket the first and the last point that is NaN or infinite
    ends: Points  # (2,): the first and the last point of all

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: slice) -> Buckets:
        """Some of the buckets. Their ends stay those of all."""
        first, stop, _ = index.indices(len(self))
        low, high = np.searchsorted(self.marks.steps, self._edges(first, stop))
        return Buckets(
            self.numbers[index],
            self.counts[index],
            self.finite[index],
            self.first_steps[index],
            self.means[index],
            self.least[index],
            self.greatest[index],
            self.marks[low:high],
            self.ends,
        )

    def _edges(self, first: int, stop: int) -> Sequence[int]:
        """Steps from which bucket `first` and bucket `stop` begin."""
        after = int(self.ends.steps[-1]) + 1
        return [int(self.first_steps[at]) if at < len(self) else after for at in (first, stop)]


def size_of(level: int) -> int:
    """Points of a bucket of the level."""
    return int(BASE * FACTOR**level)


def of_points(points: Points, first_number: int) -> Buckets:
    """One bucket per point (in order), numbered from `first_number`."""
    n, finite = len(points), np.isfinite(points.values)
    return Buckets(
        numbers=first_number + np.arange(n),
        counts=np.ones(n, np.int64),
        finite=finite.astype(np.int64),
        first_steps=points.steps,
        means=points.values if finite.all() else np.where(finite, points.values, 0.0),
        least=points,
        greatest=points,
        marks=points[np.flatnonzero(~finite)],
        ends=chained([points[:1], points[-1:]]),
    )


def grouped(buckets: Buckets, factor: int) -> Buckets:
    """Buckets whose numbers give the same quotient by `factor` as one each."""
    numbers = buckets.numbers // factor
    starts = np.flatnonzero(np.diff(numbers, prepend=-1))
    lengths = np.diff(starts, append=len(numbers))
    finite = np.add.reduceat(buckets.finite, starts)
    # Every mean by its part of the whole before they are added: their sum could exceed the largest float.
    parts = buckets.finite / np.repeat(np.maximum(finite, 1), lengths)
    first_steps = buckets.first_steps[starts]
    least, greatest = buckets.least, buckets.greatest
    return Buckets(
        numbers=numbers[starts],
        counts=np.add.reduceat(buckets.counts, starts),
        finite=finite,
        first_steps=first_steps,
        means=np.add.reduceat(buckets.means * parts, starts),
        least=least[_least_of_each(least.values, starts, lengths)],
        greatest=greatest[_least_of_each(-greatest.values, starts, lengths)],
        marks=_first_and_last_of_each(buckets.marks, first_steps),
        ends=buckets.ends,
    )


def concatenated(parts: Sequence[Buckets]) -> Buckets:
    """Buckets of consecutive stretches, at least one, as one; at a seam a number may stand twice."""
    if len(parts) == 1:
        return parts[0]
    members: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts]) for name in _ARRAYS
    }
    members |= {name: chained([getattr(part, name) for part in parts]) for name in _POINTS}
    return Buckets(**members, ends=chained([parts[0].ends[:1], parts[-1].ends[1:]]))


_ARRAYS = ("numbers", "counts", "finite", "first_steps", "means")
_POINTS = ("least", "greatest", "marks")


def recorded(buckets: Buckets) -> Points:
    """All points of the series that the buckets keep."""
    finite = buckets.finite > 0
    every = chained([buckets.least[finite], buckets.greatest[finite], buckets.marks, buckets.ends])
    return every[order_of(every.steps)]


def with_detail(buckets: Buckets, fine: Buckets) -> Buckets:
    """The buckets with finer ones in the place of those that begin between the ends of `fine`."""
    low, high = np.searchsorted(buckets.first_steps, [fine.ends.steps[0], fine.ends.steps[-1] + 1]).tolist()
    parts = [part for part in (buckets[:low], fine, buckets[high:]) if len(part)]
    return concatenated(parts)


def drawn(buckets: Buckets, max_points: int) -> Points:
    """At most `max_points` (>= 10) points: the ends, and of each of equal groups of buckets its least and its
    greatest point and the first and the last that is NaN or infinite."""
    kept_per_bucket = 4 if len(buckets.marks) else 2
    most = (max_points - 2) // kept_per_bucket
    first, last = int(buckets.numbers[0]), int(buckets.numbers[-1])
    factor = max(1, (last - first + 1) // most)
    while last // factor - first // factor + 1 > most:
        factor += 1
    return recorded(grouped(buckets, factor))


def encoded(tile: Buckets) -> bytes:
    """The bytes of the buckets of one tile."""
    means = tile.means.clip(-MAX_MEAN, MAX_MEAN).astype(np.float32).astype(np.float64)
    middle = Points(tile.first_steps, tile.counts - tile.finite, means)
    blobs = [_blob(points) for points in (middle, tile.least, tile.greatest, tile.ends)]
    marks = _blob(tile.marks) if len(tile.marks) else b""
    header = HEADER.pack(*map(len, blobs), len(tile), len(tile.marks), int(tile.counts[-1]))
    return b"".join([header, *blobs, marks])


def decoded(data: bytes, level: int, number: int) -> Buckets:
    """The buckets that `encoded` wrote as tile `number` of the level."""
    *lengths, n, marks, last_count = HEADER.unpack_from(data)
    bounds = np.cumsum([HEADER.size, *lengths]).tolist()
    blobs = [data[first:last] for first, last in pairwise(bounds)]
    middle, least, greatest = (decode(blob, n) for blob in blobs[:3])
    counts = np.full(n, size_of(level))
    counts[-1] = last_count
    return Buckets(
        numbers=number * TILE + np.arange(n),
        counts=counts,
        finite=counts - middle.times,
        first_steps=middle.steps,
        means=middle.values,
        least=least,
        greatest=greatest,
        marks=decode(data[bounds[-1] :], marks) if marks else NONE,
        ends=decode(blobs[3], 2),
    )


def _blob(points: Points) -> bytes:
    return encode(encode_axis(points.steps, points.times), points.values)


def _least_of_each(values: Values, starts: Ints, lengths: Ints) -> Ints:
    """Index of the first least finite value of each group; any of a group without one."""
    comparable = np.where(np.isfinite(values), values, np.inf)
    least = np.minimum.reduceat(comparable, starts)
    hits = np.flatnonzero(comparable == np.repeat(least, lengths))
    groups = np.searchsorted(starts, hits, side="right")
    first: Ints = hits[np.diff(groups, prepend=0) > 0]
    return first


def _first_and_last_of_each(marks: Points, first_steps: Ints) -> Points:
    if not len(marks):
        return marks
    groups = np.searchsorted(first_steps, marks.steps, side="right")
    changes = np.diff(groups) > 0
    return marks[np.append(True, changes) | np.append(changes, True)]
