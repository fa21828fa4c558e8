"""Few large segments out of many small ones, and no point stored twice.

Of points at one step the newest version holds the truth, so segments may only be merged if no segment
left out shares steps with them, unless it is newer than all of them. Two rules give that: the segments of the
last few versions are left alone, and what is merged is a stretch of neighbours by step.

A merged segment has the greatest version of its parts, so `since` delivers it again to whoever has not
seen all of them. Leaving the newest alone keeps that rare: a follower is seldom that far behind.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from sqlalchemy.orm import Session

from backend.metrics import queries as segments
from backend.metrics.points import Points, encode_axis, joined
from backend.metrics.pyramid import service as pyramid
from backend.metrics.queries import Extent
from backend.metrics.segment_rows import FULL, chunks_of, segment_row

EVERY = 16  # versions between two compactions; also the fewest small segments worth a merge
FRESH = 16  # newest versions that a running compaction leaves alone
MERGED_POINTS, MERGED_SEGMENTS = 64 * FULL, 5000
TILED_FROM = 2 * FULL  # points; a shorter curve is read from its segments as fast

Group = list[Extent]  # segments that share steps, directly or through others
Stretch = list[Extent]  # segments of one series that become one, or a few full ones


def compact(session: Session, run_id: str, up_to_version: int, is_over: bool = False) -> None:
    """Merge the run's segments up to this version: overlapping ones, and stretches of small ones, which must
    have gathered unless the run is over. Then sum them up in tiles. The caller holds the run's cursor."""
    fewest = 2 if is_over else EVERY
    # A long curve must not be looked through every time: what is in tiles is seldom worth a merge.
    extents = segments.extents_of(session, run_id, up_to_version, beyond_tiles=not is_over)
    stretches = [
        stretch
        for _, of_series in groupby(extents, key=_series_of)
        for stretch in _worth_merging(list(of_series), fewest)
    ]
    for several in _together(stretches):
        _merge(session, several)
    if any(_is_worth_tiles(list(of_series)) for _, of_series in groupby(extents, key=_series_of)):
        _extend_tiles(session, run_id, up_to_version)


def _extend_tiles(session: Session, run_id: str, up_to_version: int) -> None:
    """Sum up, of each series, what is merged and followed by no older step."""
    extents = segments.extents_of(session, run_id, beyond_tiles=True)
    for series_id, of_series in groupby(extents, key=_series_of):
        closed = _closed(list(of_series), up_to_version)
        if _is_worth_tiles(closed):
            pyramid.extend(session, series_id, closed[0].tiled, [extent.id for extent in closed])


def _closed(extents: Sequence[Extent], up_to_version: int) -> list[Extent]:
    """The first extents by step, up to the last large one, that share no steps with any other."""
    settled: list[Extent] = []
    for group in _groups(extents):
        if len(group) > 1 or group[0].version > up_to_version:
            break
        settled += group
    while settled and _is_loose(settled[-1:]):
        settled.pop()
    return settled


def _is_worth_tiles(extents: Sequence[Extent]) -> bool:
    points = sum(extent.points for extent in extents)
    return points >= (FULL // 2 if extents and extents[0].tiled else TILED_FROM)


def _series_of(extent: Extent) -> int:
    return extent.series_id


def _worth_merging(extents: Sequence[Extent], fewest: int) -> Iterator[Stretch]:
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


def _together(stretches: Sequence[Stretch]) -> Iterator[list[Stretch]]:
    """The stretches in parts that are read at once: each within `MERGED_POINTS` and `MERGED_SEGMENTS`, or of
    a single stretch."""
    part, points, count = list[Stretch](), 0, 0
    for stretch in stretches:
        size = sum(extent.points for extent in stretch)
        if part and (points + size > MERGED_POINTS or count + len(stretch) > MERGED_SEGMENTS):
            yield part
            part, points, count = [], 0, 0
        part.append(stretch)
        points, count = points + size, count + len(stretch)
    if part:
        yield part


def _merge(session: Session, stretches: Sequence[Stretch]) -> None:
    """Merge each stretch, all with the same few statements."""
    ids = [extent.id for stretch in stretches for extent in stretch]
    points = segments.points_by_id(session, ids)
    segments.remove(session, ids)
    segments.add(session, [row for stretch in stretches for row in _merged(stretch, points)])


def _merged(stretch: Stretch, points: Mapping[int, Points]) -> Iterator[dict[str, object]]:
    version = max(extent.version for extent in stretch)
    oldest_first = sorted(stretch, key=lambda extent: (extent.version, extent.first_step))
    whole = joined([points[extent.id] for extent in oldest_first])
    for chunk in chunks_of(len(whole)):
        yield _row(stretch[0].series_id, version, whole[chunk])


def _row(series_id: int, version: int, points: Points) -> dict[str, object]:
    return segment_row(series_id, version, points, encode_axis(points.steps, points.times))
