"""Tiles of series: extend, forget, read.

The tiles of a series cover its first points, up to a step; what lies beyond is read from segments. All levels
reach equally far. What is written at a step that the tiles cover takes them away in the same transaction, and
the next compaction makes them again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from backend.metrics import queries as segments
from backend.metrics.points import NONE, Points, chained, joined
from backend.metrics.pyramid import buckets as pyramid
from backend.metrics.pyramid import queries
from backend.metrics.pyramid.buckets import Buckets
from backend.metrics.pyramid.queries import StepRange
from backend.metrics.queries import Line

AT_ONCE = 32  # segments in memory while tiles are made of them
# Buckets read per pair drawn, at least, so that equal groups of them are nearly as many as the pairs.
SPARE = 1.5


def extend(session: Session, series_id: int, tiled: int, segment_ids: Sequence[int]) -> None:
    """Sum up the next segments by step, which share no steps, after the first `tiled` points. The caller
    holds the run's cursor."""
    for first in range(0, len(segment_ids), AT_ONCE):
        points = joined(segments.points_of(session, segment_ids[first : first + AT_ONCE]))
        _extend(session, series_id, tiled, points)
        tiled += len(points)
        queries.set_reach(session, series_id, tiled, int(points.steps[-1]))


def forget(session: Session, first_steps: Mapping[int, int]) -> None:
    """Take the tiles of the series away that cover a step from the one in `first_steps` (by id) on."""
    stale = queries.reached(session, first_steps)
    if stale:
        queries.remove(session, stale)


def read(
    session: Session, lines: Sequence[Line], max_points: int, first: int | None, last: int | None
) -> dict[int, tuple[Points, int]]:
    """Per series, thinned points from step `first` to `last` and how many there are; a series that has few
    points there, or no tiles, is left out."""
    pairs = (max_points - 2) // 2  # of extremes, to draw
    levels = _levels(session, lines, SPARE * pairs, first, last)
    if not levels:
        return {}
    windows = {
        series_id: _Window(pyramid.concatenated(tiles), levels[series_id], first, last)
        for series_id, tiles in queries.tiles(session, levels, first, last).items()
    }
    # The level was chosen by whole tiles: where the window cuts most of them off, it has too few buckets.
    windows = {series_id: window for series_id, window in windows.items() if len(window.whole) >= pairs}
    parts = queries.points_in(session, {series_id: window.ranges for series_id, window in windows.items()})
    answer = {}
    for series_id, window in windows.items():
        every = window.buckets(joined(parts[series_id]) if series_id in parts else NONE)
        answer[series_id] = pyramid.drawn(every, max_points), int(every.counts.sum())
    return answer


def _levels(
    session: Session, lines: Sequence[Line], enough: float, first: int | None, last: int | None
) -> dict[int, int]:
    """Per series the coarsest level that still has enough buckets."""
    points = {line.id: line.tiled for line in lines if line.tiled >= enough * pyramid.size_of(0)}
    if points and (first, last) != (None, None):
        points = queries.points_near(session, points, first, last)
    return {
        series_id: max(level for level in range(pyramid.LEVELS) if n >= enough * pyramid.size_of(level))
        for series_id, n in points.items()
        if n >= enough * pyramid.size_of(0)
    }


class _Window:
    """The buckets of a series that lie whole in the window, and the step ranges around them that are read
    from segments: at an edge that cuts tiles, and beyond the last tile."""

    def __init__(self, tiles: Buckets, level: int, first: int | None, last: int | None) -> None:
        self._size = pyramid.size_of(level)
        starts, end = tiles.first_steps, int(tiles.ends.steps[-1])
        low, high = 0, len(tiles)
        self._left: StepRange | None = None
        self._right: StepRange = (end + 1, last)
        if first is not None and (first > starts[0] or tiles.numbers[0] > 0):
            # One more than the edge cuts: the first point of the window is drawn, and buckets do not keep it.
            low = int(np.searchsorted(starts, first, side="left")) + 1
            self._left = (first, int(starts[low]) - 1 if low < len(tiles) else end)
        if last is not None and last < end:
            high = int(np.searchsorted(starts, last, side="right")) - 1
            self._right = (int(starts[high]), last)
        self.whole = tiles[low : max(low, high)]

    @property
    def ranges(self) -> list[StepRange]:
        """Step ranges to read from segments."""
        return [self._right] if self._left is None else [self._left, self._right]

    def buckets(self, points: Points) -> Buckets:
        """All buckets of the window, from the points of the segments that reach into `ranges`."""
        left = _between(points, *self._left) if self._left else NONE
        right = _between(points, *self._right)
        begins = int(self.whole.numbers[0]) * self._size
        ends = int(self.whole.numbers[-1]) * self._size + int(self.whole.counts[-1])
        parts = [
            *([self._summed(left, begins - len(left))] if len(left) else []),
            self.whole,
            *([self._summed(right, ends)] if len(right) else []),
        ]
        return pyramid.concatenated(parts)

    def _summed(self, points: Points, first_number: int) -> Buckets:
        return pyramid.grouped(pyramid.of_points(points, first_number), self._size)


def _between(points: Points, first: int, last: int | None) -> Points:
    low = int(np.searchsorted(points.steps, first, side="left"))
    high = len(points) if last is None else int(np.searchsorted(points.steps, last, side="right"))
    return points[low:high]


def _extend(session: Session, series_id: int, before: int, points: Points) -> None:
    sizes = [pyramid.size_of(level) for level in range(pyramid.LEVELS)]
    open_tiles = {level: before // (size * pyramid.TILE) for level, size in enumerate(sizes)}
    old = queries.take(session, series_id, open_tiles) if before else {}
    buckets = pyramid.of_points(points, before)
    rows: list[dict[str, Any]] = []
    for level, size in enumerate(sizes):
        buckets = pyramid.grouped(buckets, pyramid.FACTOR if level else pyramid.BASE)
        # Where the old tiles end inside a bucket, its other points are in the first of the new ones.
        parts = [old[level], buckets] if level in old else [buckets]
        whole = pyramid.grouped(pyramid.concatenated(parts), 1)
        rows += [_row(series_id, level, tile) for tile in _tiles(whole, size * pyramid.TILE, before, points)]
    queries.add(session, rows)


def _tiles(buckets: Buckets, size: int, before: int, points: Points) -> Iterator[Buckets]:
    """Buckets cut into tiles of `size` points, each with its own ends; the newest of all points, numbered
    from `before`, are `points`."""
    tiles = buckets.numbers // pyramid.TILE
    starts = np.flatnonzero(np.diff(tiles, prepend=-1)).tolist()
    for start, stop in pairwise([*starts, len(buckets)]):
        begin = int(tiles[start]) * size - before  # where in `points`; the open tile began earlier
        end = min(begin + size, len(points))
        first = points[begin : begin + 1] if begin >= 0 else buckets.ends[:1]
        yield replace(buckets[start:stop], ends=chained([first, points[end - 1 : end]]))


def _row(series_id: int, level: int, tile: Buckets) -> dict[str, Any]:
    return {
        "series_id": series_id,
        "level": level,
        "number": int(tile.numbers[0]) // pyramid.TILE,
        "points": int(tile.counts.sum()),
        "first_step": int(tile.first_steps[0]),
        "last_step": int(tile.ends.steps[-1]),
        "buckets": pyramid.encoded(tile),
    }
