"""Columns of histograms."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from backend.db.upsert import insert_or
from backend.histograms.tables import HistogramColumn


class Extent(NamedTuple):
    """What a column reaches, without its counts."""

    step: int
    low: int | None
    high: int | None
    not_finite: int


def put(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Add columns; one of the same run, name and step is replaced."""
    added = insert_or(session, HistogramColumn)
    written = ("wall_time", "low", "high", "not_finite", "counts")
    changes = {name: added.excluded[name] for name in written}
    session.execute(
        added.on_conflict_do_update(index_elements=["run_id", "name", "step"], set_=changes), rows
    )


def last_steps(session: Session, run_id: str) -> dict[str, int]:
    """Name -> the newest step."""
    query = (
        select(HistogramColumn.name, func.max(HistogramColumn.step).label("step"))
        .where(HistogramColumn.run_id == run_id)
        .group_by(HistogramColumn.name)
    )
    return {row.name: row.step for row in session.execute(query)}


def extents(session: Session, run_id: str, names: Collection[str]) -> dict[str, list[Extent]]:
    """Name -> its columns by step."""
    query = (
        select(HistogramColumn.name, *(getattr(HistogramColumn, name) for name in Extent._fields))
        .where(HistogramColumn.run_id == run_id, HistogramColumn.name.in_(names))
        .order_by(HistogramColumn.name, HistogramColumn.step)
    )
    found: dict[str, list[Extent]] = {}
    for name, *extent in session.execute(query):
        found.setdefault(name, []).append(Extent(*extent))
    return found


def columns(session: Session, run_id: str, name: str) -> Sequence[HistogramColumn]:
    """By step."""
    query = (
        select(HistogramColumn)
        .where(HistogramColumn.run_id == run_id, HistogramColumn.name == name)
        .order_by(HistogramColumn.step)
    )
    return session.scalars(query).all()


def remove(session: Session, run_id: str, name: str, steps: Collection[int]) -> None:
    session.execute(
        delete(HistogramColumn).where(
            HistogramColumn.run_id == run_id, HistogramColumn.name == name, HistogramColumn.step.in_(steps)
        )
    )


def widen(session: Session, run_id: str, name: str, extent: Extent) -> None:
    """A column reaches further from now on: it stands for steps after it as well."""
    session.execute(
        update(HistogramColumn)
        .where(
            HistogramColumn.run_id == run_id,
            HistogramColumn.name == name,
            HistogramColumn.step == extent.step,
        )
        .values(low=extent.low, high=extent.high, not_finite=extent.not_finite)
    )
