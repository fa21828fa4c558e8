"""Series and their segments."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Select, delete, func, insert, select, update
from sqlalchemy.orm import Session

from backend.db.upsert import insert_or
from backend.metrics.points import Points, decode
from backend.metrics.tables import RunCursor, Segment, Series

Key = TypeVar("Key", int, str)
MAX_IDS = 5000  # runs that one statement names; a database takes a few more parameters


class Line(NamedTuple):
    """A series, and how many of its points are in tiles."""

    id: int
    run_id: str
    name: str
    tiled: int


class Extent(NamedTuple):
    """Where a segment lies, without its points; and how many points of its series are in tiles."""

    id: int
    series_id: int
    version: int
    points: int
    first_step: int
    last_step: int
    tiled: int


class Summary(NamedTuple):
    """What the row of a series says of its points: a line of a table."""

    run_id: str
    name: str
    last_step: int
    last_value: float
    min_value: float | None
    max_value: float | None


class Stamp(NamedTuple):
    """A series, and what differs once it is written to."""

    series_id: int
    run_id: str
    name: str
    last_step: int
    version: int | None


SUMMARY = tuple(getattr(Series, name) for name in Summary._fields)


def names_of(session: Session, run_id: str) -> Sequence[str]:
    """Names of the run's series, sorted."""
    return session.scalars(select(Series.name).where(Series.run_id == run_id).order_by(Series.name)).all()


def lines_of(session: Session, run_ids: Collection[str], names: Collection[str] | None) -> list[Line]:
    """The series of the runs called `names` (None: all), sorted by name."""
    query = select(Series.id, Series.run_id, Series.name, Series.tiled).where(Series.run_id.in_(run_ids))
    if names is not None:
        query = query.where(Series.name.in_(names))
    return [Line(*row) for row in session.execute(query.order_by(Series.name))]


def ids_of(session: Session, run_id: str, names: Collection[str]) -> dict[str, int]:
    """Ids of the run's series called `names`, which are made where missing."""
    found = _existing_ids(session, run_id, names)
    missing = [{"run_id": run_id, "name": name} for name in names if name not in found]
    if missing:
        session.execute(insert_or(session, Series).on_conflict_do_nothing(), missing)
        found = _existing_ids(session, run_id, names)
    return found


def _existing_ids(session: Session, run_id: str, names: Collection[str]) -> dict[str, int]:
    query = select(Series.name, Series.id).where(Series.run_id == run_id, Series.name.in_(names))
    return {row.name: row.id for row in session.execute(query)}


def add(session: Session, rows: list[dict[str, Any]]) -> None:
    """Insert segments."""
    session.execute(insert(Segment), rows)


def remove(session: Session, ids: Collection[int]) -> None:
    session.execute(delete(Segment).where(Segment.id.in_(ids)))


def extents_of(
    session: Session, run_id: str, up_to_version: int | None = None, beyond_tiles: bool = False
) -> list[Extent]:
    """Segments of all series of the run by series and first step: those that were written by
    `up_to_version` (None: all), or of them those that lie beyond the tiles of their series."""
    query = _extents().where(Series.run_id == run_id)
    if up_to_version is not None:
        query = query.where(Segment.version <= up_to_version)
    if beyond_tiles:
        query = query.where(Segment.last_step > Series.tiled_to)
    return [Extent(*row) for row in session.execute(query)]


def extents_by_series(session: Session, series_ids: Collection[int]) -> list[Extent]:
    """All segments of these series, by series and first step."""
    return [Extent(*row) for row in session.execute(_extents().where(Segment.series_id.in_(series_ids)))]


def _extents() -> Select[int, int, int, int, int, int, int]:
    return (
        select(
            Segment.id,
            Segment.series_id,
            Segment.version,
            Segment.count,
            Segment.first_step,
            Segment.last_step,
            Series.tiled,
        )
        .join(Series, Series.id == Segment.series_id)
        .order_by(Segment.series_id, Segment.first_step)
    )


def points_of(session: Session, ids: Collection[int]) -> list[Points]:
    """The points of these segments, oldest version first."""
    query = (
        select(Segment.points, Segment.count)
        .where(Segment.id.in_(ids))
        .order_by(Segment.version, Segment.first_step)
    )
    return [decode(data, count) for data, count in session.execute(query)]


def points_by_id(session: Session, ids: Collection[int]) -> dict[int, Points]:
    """The points of these segments."""
    query = select(Segment.id, Segment.points, Segment.count).where(Segment.id.in_(ids))
    return {id_: decode(data, count) for id_, data, count in session.execute(query)}


def between(
    session: Session, series_ids: Collection[int], first: int | None, last: int | None
) -> dict[int, list[Points]]:
    """Per series the segments that reach into steps first to last (both inclusive), oldest version first."""
    query = (
        select(Segment.series_id, Segment.points, Segment.count)
        .where(Segment.series_id.in_(series_ids))
        .order_by(Segment.version, Segment.first_step)
    )
    if first is not None:
        query = query.where(Segment.last_step >= first)
    if last is not None:
        query = query.where(Segment.first_step <= last)
    return _grouped(session, query)


def count_between(
    session: Session, run_ids: Collection[str], names: Collection[str], first: int | None, last: int | None
) -> int:
    """Points in the segments that `between` reads of these metrics."""
    query = (
        select(func.coalesce(func.sum(Segment.count), 0))
        .join(Series, Series.id == Segment.series_id)
        .where(Series.run_id.in_(run_ids), Series.name.in_(names))
    )
    if first is not None:
        query = query.where(Segment.last_step >= first)
    if last is not None:
        query = query.where(Segment.first_step <= last)
    return int(session.execute(query).scalar_one())


def after(session: Session, run_id: str, version: int) -> dict[str, list[Points]]:
    """Per name the segments written after `version`, oldest version first."""
    query = (
        select(Series.name, Segment.points, Segment.count)
        .join(Segment, Segment.series_id == Series.id)
        .where(Series.run_id == run_id, Segment.version > version)
        .order_by(Segment.version, Segment.first_step)
    )
    return _grouped(session, query)


def _grouped(session: Session, query: Select[Key, bytes, int]) -> dict[Key, list[Points]]:
    grouped: dict[Key, list[Points]] = {}
    for key, data, count in session.execute(query):
        grouped.setdefault(key, []).append(decode(data, count))
    return grouped


def summaries(session: Session, run_ids: Collection[str], names: Collection[str]) -> list[Summary]:
    """One line per series of these runs and names."""
    query = select(*SUMMARY).where(Series.run_id.in_(run_ids), Series.name.in_(names), Series.last_step >= 0)
    return [Summary(*row) for row in session.execute(query)]


def summarised(session: Session, ids: Collection[int]) -> dict[int, Summary]:
    """What is kept of these series, by id."""
    query = select(Series.id, *SUMMARY).where(Series.id.in_(ids))
    return {row[0]: Summary(*row[1:]) for row in session.execute(query)}


def keep_summaries(session: Session, rows: list[dict[str, Any]]) -> None:
    """Set columns of series; each row has their `id`."""
    session.execute(update(Series), rows)


def stamps(session: Session, names: Collection[str], run_ids: Collection[str] | None) -> list[Stamp]:
    """The series called `names` of these runs (None: of all) that have points."""
    query = (
        select(Series.id, Series.run_id, Series.name, Series.last_step, RunCursor.version)
        .outerjoin(RunCursor, RunCursor.run_id == Series.run_id)
        .where(Series.name.in_(names), Series.last_step >= 0)
    )
    if run_ids is not None and len(run_ids) <= MAX_IDS:
        query = query.where(Series.run_id.in_(run_ids))
    found = [Stamp(*row) for row in session.execute(query)]
    if run_ids is None or len(run_ids) <= MAX_IDS:
        return found
    wanted = set(run_ids)
    return [stamp for stamp in found if stamp.run_id in wanted]


def sketches(session: Session, run_ids: Collection[str], name: str) -> dict[str, bytes]:
    """Run id -> the kept course of its metric `name`, for those that have one."""
    query = select(Series.run_id, Series.sketch).where(
        Series.run_id.in_(run_ids), Series.name == name, Series.sketch.is_not(None)
    )
    return {run_id: sketch for run_id, sketch in session.execute(query) if sketch}
