"""What a noisy metric is by now: its mean over the last part of the curve.

A point of a training accuracy is one batch, and one batch may be lucky or not. Verdicts and filters ask for
many runs at once, so only the last segments of a curve are read, and the process remembers the mean until
the curve is written to again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from weakref import WeakKeyDictionary

import numpy as np
from sqlalchemy.orm import Session
from sqlalchemy.pool import Pool

from backend.metrics import queries as segments
from backend.metrics.points import Points, joined
from backend.metrics.queries import Extent, Stamp

PART = 5  # the last fifth of the points
FEWEST = 10  # points, or half of a curve that has fewer than twice as many
AT_ONCE = 500  # series whose segments are read in one query
KEPT = 200_000  # means that the process remembers for a database


@dataclass(frozen=True)
class Recent:
    """The mean of the last points of a metric, of those that are finite."""

    mean: float
    points: int


_Kept = dict[tuple[str, str], tuple[Stamp, Recent | None]]
_kept: WeakKeyDictionary[Pool, _Kept] = WeakKeyDictionary()  # a pool stays, whatever engine wraps it


def window_of(points: int) -> int:
    """How many of a curve's points are its last ones: a fifth, or 10, or half of fewer than 20."""
    return max(points // PART, min(FEWEST, -(-points // 2)))


def means(
    session: Session, names: Collection[str], run_ids: Collection[str] | None = None
) -> dict[str, dict[str, Recent]]:
    """Name -> run id -> the mean of its last points, for the runs (None: all) with a finite one there."""
    kept = _kept.setdefault(session.get_bind().engine.pool, {})
    if len(kept) > KEPT:
        kept.clear()
    found: dict[Stamp, Recent | None] = {}
    stale = []
    for stamp in segments.stamps(session, names, run_ids):
        known = kept.get((stamp.run_id, stamp.name))
        if known and known[0] == stamp:
            found[stamp] = known[1]
        else:
            stale.append(stamp)
    for first in range(0, len(stale), AT_ONCE):
        part = stale[first : first + AT_ONCE]
        read = _read(session, [stamp.series_id for stamp in part])
        found |= {stamp: read.get(stamp.series_id) for stamp in part}
    kept.update({(stamp.run_id, stamp.name): (stamp, found[stamp]) for stamp in stale})
    answer: dict[str, dict[str, Recent]] = {name: {} for name in names}
    for stamp, recent in found.items():
        if recent is not None:
            answer[stamp.name][stamp.run_id] = recent
    return answer


def _read(session: Session, series_ids: Collection[int]) -> dict[int, Recent]:
    extents = segments.extents_by_series(session, series_ids)
    chosen = {
        series_id: _last(list(own)) for series_id, own in groupby(extents, key=lambda each: each.series_id)
    }
    ids = [extent.id for tail in chosen.values() for extent in tail.extents]
    points = segments.points_by_id(session, ids)
    found = {series_id: tail.recent(points) for series_id, tail in chosen.items()}
    return {series_id: recent for series_id, recent in found.items() if recent is not None}


@dataclass(frozen=True)
class _Tail:
    """The segments that hold the last `window` points of a series, and of them those from `first_step` on."""

    extents: Sequence[Extent]
    first_step: int
    window: int

    def recent(self, points: Mapping[int, Points]) -> Recent | None:
        oldest_first = sorted(self.extents, key=lambda each: (each.version, each.first_step))
        whole = joined([points[extent.id] for extent in oldest_first])
        values = whole.values[whole.steps >= self.first_step][-self.window :]
        values = values[np.isfinite(values)]
        return Recent(float(values.mean()), len(values)) if len(values) else None


def _last(extents: Sequence[Extent]) -> _Tail:
    """Of all segments of a series those that reach into its last part. Of points at one step the newest
    holds the truth, so whatever shares steps with them is among them."""
    window = window_of(sum(extent.points for extent in extents))
    points, first_step = 0, extents[-1].first_step
    for extent in sorted(extents, key=lambda each: each.last_step, reverse=True):
        points, first_step = points + extent.points, min(first_step, extent.first_step)
        if points >= window:
            break
    return _Tail([each for each in extents if each.last_step >= first_step], first_step, window)
