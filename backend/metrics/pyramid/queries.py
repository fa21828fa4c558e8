"""Tiles, and how far the tiles of a series reach."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import and_, delete, func, insert, or_, select, update
from sqlalchemy.orm import Session

from backend.metrics.points import Points, decode
from backend.metrics.pyramid.buckets import Buckets, decoded
from backend.metrics.tables import Segment, Series, Tile

StepRange = tuple[int, int | None]  # first and last step, both inclusive; None: to the end

AT_ONCE = 400  # series of one query, with two ranges each: SQLite takes no more than 1,000 ORs


def add(session: Session, rows: list[dict[str, Any]]) -> None:
    """Insert tiles."""
    session.execute(insert(Tile), rows)


def take(session: Session, series_id: int, numbers: Mapping[int, int]) -> dict[int, Buckets]:
    """Level -> tile, of the tile number per level; they are deleted."""
    chosen = or_(*(and_(Tile.level == level, Tile.number == number) for level, number in numbers.items()))
    query = select(Tile.level, Tile.number, Tile.buckets).where(Tile.series_id == series_id, chosen)
    tiles = {level: decoded(data, level, number) for level, number, data in session.execute(query)}
    session.execute(delete(Tile).where(Tile.series_id == series_id, chosen))
    return tiles


def set_reach(session: Session, series_id: int, points: int, last_step: int) -> None:
    """Note that the tiles of a series cover its first points, up to a step."""
    change = update(Series).where(Series.id == series_id)
    session.execute(change.values(tiled=points, tiled_to=last_step))


def reached(session: Session, first_steps: Mapping[int, int]) -> list[int]:
    """Ids of the series whose tiles reach their step in `first_steps` or beyond it."""
    query = select(Series.id, Series.tiled_to).where(Series.id.in_(first_steps))
    return [row.id for row in session.execute(query) if row.tiled_to >= first_steps[row.id]]


def remove(session: Session, series_ids: Collection[int]) -> None:
    """Delete all tiles of these series."""
    session.execute(delete(Tile).where(Tile.series_id.in_(series_ids)))
    session.execute(update(Series).where(Series.id.in_(series_ids)).values(tiled=0, tiled_to=-1))


def points_near(
    session: Session, series_ids: Collection[int], first: int | None, last: int | None
) -> dict[int, int]:
    """Per series the points of the tiles of level 0 that reach into steps first to last."""
    query = select(Tile.series_id, func.sum(Tile.points)).where(
        Tile.series_id.in_(series_ids), Tile.level == 0, *_window(first, last)
    )
    return {series_id: int(points) for series_id, points in session.execute(query.group_by(Tile.series_id))}


def tiles(
    session: Session, levels: Mapping[int, int], first: int | None, last: int | None
) -> dict[int, list[Buckets]]:
    """Per series the tiles of its level that reach into steps first to last, in order."""
    by_level: dict[int, list[int]] = {}
    for series_id, level in levels.items():
        by_level.setdefault(level, []).append(series_id)
    chosen = or_(*(and_(Tile.level == level, Tile.series_id.in_(ids)) for level, ids in by_level.items()))
    query = (
        select(Tile.series_id, Tile.level, Tile.number, Tile.buckets)
        .where(chosen, *_window(first, last))
        .order_by(Tile.series_id, Tile.number)
    )
    answer: dict[int, list[Buckets]] = {}
    for series_id, level, number, data in session.execute(query):
        answer.setdefault(series_id, []).append(decoded(data, level, number))
    return answer


def points_in(session: Session, ranges: Mapping[int, Sequence[StepRange]]) -> dict[int, list[Points]]:
    """Per series the segments that reach into any of its ranges, oldest version first."""
    answer: dict[int, list[Points]] = {}
    series = list(ranges)
    for at in range(0, len(series), AT_ONCE):
        chosen = (_reaches(id_, *steps) for id_ in series[at : at + AT_ONCE] for steps in ranges[id_])
        query = (
            select(Segment.series_id, Segment.points, Segment.count)
            .where(or_(*chosen))
            .order_by(Segment.version, Segment.first_step)
        )
        for series_id, data, count in session.execute(query):
            answer.setdefault(series_id, []).append(decode(data, count))
    return answer


def _reaches(series_id: int, first: int, last: int | None) -> Any:
    reaches = and_(Segment.series_id == series_id, Segment.last_step >= first)
    return reaches if last is None else and_(reaches, Segment.first_step <= last)


def _window(first: int | None, last: int | None) -> list[Any]:
    return [
        *([] if first is None else [Tile.last_step >= first]),
        *([] if last is None else [Tile.first_step <= last]),
    ]
