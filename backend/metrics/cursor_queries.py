"""The cursor of a run, whose row lock puts the run's writers in one line."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.db.upsert import insert_or
from backend.metrics.tables import RunCursor


def advance(session: Session, run_id: str) -> int:
    """The next version; other writers of this run wait until this transaction ends."""
    return _write(session, run_id, by=1)


def hold(session: Session, run_id: str) -> int:
    """The current version; other writers of this run wait until this transaction ends."""
    return _write(session, run_id, by=0)


def current(session: Session, run_id: str) -> int:
    """The version of the last committed write, 0 before the first."""
    return session.scalar(select(RunCursor.version).where(RunCursor.run_id == run_id)) or 0


def of_runs(session: Session, run_ids: Collection[str]) -> dict[str, int]:
    """The versions of the last committed writes, by run."""
    query = select(RunCursor.run_id, RunCursor.version).where(RunCursor.run_id.in_(run_ids))
    return {row.run_id: row.version for row in session.execute(query)}


def _write(session: Session, run_id: str, by: int) -> int:
    change = insert_or(session, RunCursor).values(run_id=run_id, version=by)
    change = change.on_conflict_do_update(
        index_elements=[RunCursor.run_id], set_={"version": RunCursor.version + by}
    )
    return session.execute(change.returning(RunCursor.version)).scalar_one()
