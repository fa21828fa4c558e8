"""Tiles, and how far the tiles of a series reach."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, func, insert, or_, select, true, update
from sqlalchemy.orm import Session

from backend.metrics.points import Points, decode
from backend.metrics.pyramid.buckets import Buckets, decoded
from backend.metrics.tables import Segment, Series, Tile

StepRange = tuple[int | None, int | None]  # first and last step, both inclusive; None: no limit

AT_ONCE = 400  # groups of series in one query, with two ranges each: SQLite takes no more than 1,000 ORs


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


def points_near(session: Session, windows: Mapping[int, StepRange]) -> dict[int, int]:
    """Per series the points of the tiles of level 0 that reach into its window."""
    answer: dict[int, int] = {}
    for chosen in _reaching(Tile, {series_id: (window,) for series_id, window in windows.items()}):
        query = select(Tile.series_id, func.sum(Tile.points)).where(Tile.level == 0, chosen)
        answer |= {id_: int(points) for id_, points in session.execute(query.group_by(Tile.series_id))}
    return answer


def tiles(
    session: Session, levels: Mapping[int, int], windows: Mapping[int, StepRange]
) -> dict[int, list[Buckets]]:
    """Per series the tiles of its level that reach into its window, in order."""
    answer: dict[int, list[Buckets]] = {}
    for level in sorted(set(levels.values())):
        ranges = {series_id: (windows[series_id],) for series_id, own in levels.items() if own == level}
        for chosen in _reaching(Tile, ranges):
            query = (
                select(Tile.series_id, Tile.number, Tile.buckets)
                .where(Tile.level == level, chosen)
                .order_by(Tile.series_id, Tile.number)
            )
            for series_id, number, data in session.execute(query):
                answer.setdefault(series_id, []).append(decoded(data, level, number))
    return answer


def points_in(session: Session, ranges: Mapping[int, Sequence[StepRange]]) -> dict[int, list[Points]]:
    """Per series the segments that reach into any of its ranges, oldest version first."""
    answer: dict[int, list[Points]] = {}
    for chosen in _reaching(Segment, {series_id: tuple(steps) for series_id, steps in ranges.items()}):
        query = (
            select(Segment.series_id, Segment.points, Segment.count)
            .where(chosen)
            .order_by(Segment.version, Segment.first_step)
        )
        for series_id, data, count in session.execute(query):
            answer.setdefault(series_id, []).append(decode(data, count))
    return answer


def _reaching(
    table: type[Tile] | type[Segment], ranges: Mapping[int, tuple[StepRange, ...]]
) -> Iterator[ColumnElement[bool]]:
    """Conditions that choose, each for many series, the rows that reach into any range of their series."""
    series: dict[tuple[StepRange, ...], list[int]] = {}  # by their ranges, which are mostly the same
    for series_id, steps in ranges.items():
        series.setdefault(steps, []).append(series_id)
    conditions = [
        and_(table.series_id.in_(ids), or_(*(_reaches(table, *limits) for limits in steps)))
        for steps, ids in series.items()
    ]
    for at in range(0, len(conditions), AT_ONCE):
        yield or_(*conditions[at : at + AT_ONCE])


def _reaches(table: type[Tile] | type[Segment], first: int | None, last: int | None) -> ColumnElement[bool]:
    return and_(
        true() if first is None else table.last_step >= first,
        true() if last is None else table.first_step <= last,
    )
