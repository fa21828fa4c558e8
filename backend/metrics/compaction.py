"""Few large segments out of many small ones, and no point stored twice.

Of points at one step the newest version holds the truth, so segments may only be merged if no segment
left out shares steps with them, unless it is newer than all of them. Two rules give that: the segments of the
last few versions are left alone, and what is merged is a stretch of neighbours by step.

A merged segment has the greatest version of its parts, so `since` delivers it again to whoever has not
seen all of them. Leaving the newest alone keeps that rare: a follower is seldom that far behind.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from sqlalchemy.orm import Session

from backend.metrics import queries as segments
from backend.metrics.points import Points, encode_axis, joined
from backend.metrics.queries import Extent
from backend.metrics.segment_rows import FULL, chunks_of, segment_row

EVERY = 16  # versions between two compactions; also the fewest small segments worth a merge
FRESH = 16  # newest versions that a running compaction leaves alone

Group = list[Extent]  # segments that share steps, directly or through others


def compact(session: Session, run_id: str, up_to_version: int, fewest: int = EVERY) -> None:
    """Merge the run's segments up to this version: overlapping ones, and stretches of >= `fewest` small
    ones. The caller holds the run's cursor."""
    extents = segments.extents_of(session, run_id, up_to_version)
    for _, of_series in groupby(extents, key=lambda extent: extent.series_id):
        for stretch in _worth_merging(list(of_series), fewest):
            _merge(session, stretch)


def _worth_merging(extents: Sequence[Extent], fewest: int) -> Iterator[list[Extent]]:
    for loose, stretch in groupby(_groups(extents), key=_is_loose):
        groups = list(stretch)
        if loose and (len(groups) >= fewest or any(len(group) > 1 for group in groups)):
            yield [extent for group in groups for extent in group]


def _groups(extents: Sequence[Extent]) -> list[Group]:
    """Extents of one series, sorted by first step, into groups that share no step range."""
    groups: list[Group] = []
    reached = -1
    for extent in extents:
        if extent.first_step <= reached:
            groups[-1].append(extent)
        else:
            groups.append([extent])
        reached = max(reached, extent.last_step)
    return groups


def _is_loose(group: Group) -> bool:
    return len(group) > 1 or group[0].points < FULL // 2


def _merge(session: Session, extents: Sequence[Extent]) -> None:
    ids = [extent.id for extent in extents]
    version = max(extent.version for extent in extents)
    points = joined(segments.points_of(session, ids))
    segments.remove(session, ids)
    segments.add(
        session, [_row(extents[0].series_id, version, points[chunk]) for chunk in chunks_of(len(points))]
    )


def _row(series_id: int, version: int, points: Points) -> dict[str, object]:
    return segment_row(series_id, version, points, encode_axis(points.steps, points.times))
