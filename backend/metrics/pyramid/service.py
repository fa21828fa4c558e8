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
from backend.metrics.points import NONE, Points, chained, joined, within
from backend.metrics.pyramid import buckets as pyramid
from backend.metrics.pyramid import queries
from backend.metrics.pyramid.buckets import Buckets
from backend.metrics.pyramid.queries import StepRange

WHOLE: StepRange = (None, None)
Windows = Mapping[int, tuple[int, StepRange]]  # per series its points in tiles, and the steps to read

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


def read(session: Session, windows: Windows, max_points: int) -> dict[int, tuple[Points, int]]:
    """Per series, thinned points of its window and how many there are; a series that has few points there,
    or no tiles, is left out."""
    pairs = (max_points - 2) // 2  # of extremes, to draw
    found = summed(session, windows, pairs)
    return {id_: (pyramid.drawn(each, max_points), int(each.counts.sum())) for id_, each in found.items()}


def summed(session: Session, windows: Windows, fewest: int) -> dict[int, Buckets]:
    """Per series its window in buckets, mostly of one size: at least `fewest`, about 1.5 to 6 times as many.
    A series that has too few points there, or no tiles, is left out."""
    levels = _levels(session, windows, SPARE * fewest)
    if not levels:
        return {}
    steps = {series_id: windows[series_id][1] for series_id in levels}
    parts = {
        series_id: _Window(pyramid.concatenated(tiles), levels[series_id], *steps[series_id])
        for series_id, tiles in queries.tiles(session, levels, steps).items()
    }
    # The level was chosen by whole tiles: where the window cuts most of them off, it has too few buckets.
    parts = {series_id: part for series_id, part in parts.items() if len(part.whole) >= fewest}
    points = queries.points_in(session, {series_id: part.ranges for series_id, part in parts.items()})
    return {
        series_id: part.buckets(joined(points[series_id]) if series_id in points else NONE)
        for series_id, part in parts.items()
    }


def detailed(session: Session, windows: Windows, fewest: int) -> dict[int, Buckets]:
    """The same for every series that has a point in its window: of few a bucket each."""
    found = summed(session, windows, fewest)
    ranges = {series_id: [steps] for series_id, (_, steps) in windows.items() if series_id not in found}
    for series_id, parts in queries.points_in(session, ranges).items():
        points = within(joined(parts), *ranges[series_id][0])
        if len(points):
            found[series_id] = pyramid.of_points(points, 0)
    return found


def _levels(session: Session, windows: Windows, enough: float) -> dict[int, int]:
    """Per series the coarsest level that still has enough buckets."""
    points = {id_: tiled for id_, (tiled, _) in windows.items() if tiled >= enough * pyramid.size_of(0)}
    cut = {series_id: windows[series_id][1] for series_id in points if windows[series_id][1] != WHOLE}
    if cut:
        near = queries.points_near(session, cut)
        points |= {series_id: near.get(series_id, 0) for series_id in cut}
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
        left = within(points, *self._left) if self._left else NONE
        right = within(points, *self._right)
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
