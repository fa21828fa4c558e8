"""Rows of kept contexts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session, undefer

from backend.db.upsert import insert_or
from backend.snapshots.tables import ContextSnapshot

_KEY = ("run_id", "step")
_COUNTS = select(ContextSnapshot.run_id, func.count()).group_by(ContextSnapshot.run_id)


def put(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Add snapshots; one of the same run and step is replaced."""
    added = insert_or(session, ContextSnapshot)
    changes = {name: added.excluded[name] for name in rows[0] if name not in _KEY}
    session.execute(added.on_conflict_do_update(index_elements=_KEY, set_=changes), rows)


def sizes(session: Session, run_id: str) -> dict[int, int]:
    """Step -> bytes of its contexts, by step."""
    size = func.length(ContextSnapshot.contexts).label("size")
    query = select(ContextSnapshot.step, size).where(ContextSnapshot.run_id == run_id)
    return {row.step: row.size for row in session.execute(query.order_by(ContextSnapshot.step))}


def remove(session: Session, run_id: str, steps: Collection[int]) -> None:
    session.execute(
        delete(ContextSnapshot).where(ContextSnapshot.run_id == run_id, ContextSnapshot.step.in_(steps))
    )


def of_runs(session: Session, run_ids: Collection[str]) -> Sequence[ContextSnapshot]:
    """All snapshots of the runs, by run and step, without their contexts."""
    query = select(ContextSnapshot).where(ContextSnapshot.run_id.in_(run_ids))
    return session.scalars(query.order_by(ContextSnapshot.run_id, ContextSnapshot.step)).all()


def one(session: Session, run_id: str, step: int) -> ContextSnapshot | None:
    """The snapshot of a step, with its contexts."""
    query = select(ContextSnapshot).where(ContextSnapshot.run_id == run_id, ContextSnapshot.step == step)
    return session.scalars(query.options(undefer(ContextSnapshot.contexts))).one_or_none()


def steps(session: Session, run_id: str) -> list[int]:
    """Steps that have a snapshot, ascending."""
    query = select(ContextSnapshot.step).where(ContextSnapshot.run_id == run_id)
    return list(session.scalars(query.order_by(ContextSnapshot.step)))


def counts(session: Session, run_ids: Collection[str]) -> dict[str, int]:
    """Run id -> its snapshots, for runs that have some."""
    query = _COUNTS.where(ContextSnapshot.run_id.in_(run_ids))
    return {run_id: int(number) for run_id, number in session.execute(query)}


def newest(session: Session, most: int) -> dict[str, int]:
    """Run id -> its snapshots, of the runs whose contexts are the newest, the newest first."""
    order = func.max(ContextSnapshot.wall_time).desc()
    query = _COUNTS.order_by(order, ContextSnapshot.run_id).limit(most)
    return {run_id: int(number) for run_id, number in session.execute(query)}


def bytes_of_runs(session: Session) -> dict[str, int]:
    """Run id -> bytes of its contexts, for runs that have some."""
    total = func.sum(func.length(ContextSnapshot.contexts))
    query = select(ContextSnapshot.run_id, total).group_by(ContextSnapshot.run_id)
    return {run_id: int(size) for run_id, size in session.execute(query)}
