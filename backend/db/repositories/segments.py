"""Series and their segments."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Select, case, delete, func, insert, select
from sqlalchemy.orm import Session

from backend.db.points import Points, decode
from backend.db.tables import Segment, Series
from backend.db.upsert import insert_or


class Extent(NamedTuple):
    """Where a segment lies, without its points."""

    id: int
    series_id: int
    version: int
    points: int
    first_step: int
    last_step: int


class Summary(NamedTuple):
    """What the segments' summary columns say about one series."""

    run_id: str
    name: str
    last_step: int
    last_value: float
    min_value: float | None
    max_value: float | None
    overlapping: bool  # segments share steps: the other numbers may count points that were overwritten


def names_of(session: Session, run_id: str) -> Sequence[str]:
    """Names of the run's series, sorted."""
    return session.scalars(select(Series.name).where(Series.run_id == run_id).order_by(Series.name)).all()


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


def extents_of(session: Session, run_id: str, up_to_version: int) -> list[Extent]:
    """Segments of all series of the run that were written by `up_to_version`, by series and first step."""
    query = (
        select(
            Segment.id,
            Segment.series_id,
            Segment.version,
            Segment.count,
            Segment.first_step,
            Segment.last_step,
        )
        .join(Series, Series.id == Segment.series_id)
        .where(Series.run_id == run_id, Segment.version <= up_to_version)
        .order_by(Segment.series_id, Segment.first_step)
    )
    return [Extent(*row) for row in session.execute(query)]


def points_of(session: Session, ids: Collection[int]) -> list[Points]:
    """The points of these segments, oldest version first."""
    query = (
        select(Segment.points, Segment.count)
        .where(Segment.id.in_(ids))
        .order_by(Segment.version, Segment.first_step)
    )
    return [decode(data, count) for data, count in session.execute(query)]


def between(
    session: Session, run_id: str, names: Collection[str] | None, first: int | None, last: int | None
) -> dict[str, list[Points]]:
    """Per name the segments that reach into steps first to last (both inclusive), oldest version first."""
    query = _points_by_name(run_id)
    if names is not None:
        query = query.where(Series.name.in_(names))
    if first is not None:
        query = query.where(Segment.last_step >= first)
    if last is not None:
        query = query.where(Segment.first_step <= last)
    return _grouped(session, query)


def after(session: Session, run_id: str, version: int) -> dict[str, list[Points]]:
    """Per name the segments written after `version`, oldest version first."""
    return _grouped(session, _points_by_name(run_id).where(Segment.version > version))


def _points_by_name(run_id: str) -> Select[str, bytes, int]:
    return (
        select(Series.name, Segment.points, Segment.count)
        .join(Segment, Segment.series_id == Series.id)
        .where(Series.run_id == run_id)
        .order_by(Segment.version, Segment.first_step)
    )


def _grouped(session: Session, query: Select[str, bytes, int]) -> dict[str, list[Points]]:
    grouped: dict[str, list[Points]] = {}
    for name, data, count in session.execute(query):
        grouped.setdefault(name, []).append(decode(data, count))
    return grouped


def summaries(session: Session, run_ids: Collection[str], names: Collection[str]) -> list[Summary]:
    """One line per series of these runs and names, from the summary columns alone."""
    in_series = Segment.series_id
    reached = func.max(Segment.last_step).over(
        partition_by=in_series, order_by=(Segment.first_step, Segment.id), rows=(None, -1)
    )
    from_end = func.row_number().over(
        partition_by=in_series, order_by=(Segment.last_step.desc(), Segment.version.desc())
    )
    each = (
        select(
            Series.run_id,
            Series.name,
            Segment.last_step,
            Segment.last_value,
            Segment.min_value,
            Segment.max_value,
            case((reached >= Segment.first_step, 1), else_=0).label("overlaps"),
            from_end.label("from_end"),
        )
        .join(Segment, Segment.series_id == Series.id)
        .where(Series.run_id.in_(run_ids), Series.name.in_(names))
        .subquery()
    )
    query = select(
        each.c.run_id,
        each.c.name,
        func.max(each.c.last_step),
        func.max(case((each.c.from_end == 1, each.c.last_value))),
        func.min(each.c.min_value),
        func.max(each.c.max_value),
        func.max(each.c.overlaps),
    ).group_by(each.c.run_id, each.c.name)
    return [Summary(*row) for row in session.execute(query)]
