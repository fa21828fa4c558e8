"""Worker rows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import case, delete, func, select, update
from sqlalchemy.orm import Session

from backend.db import clock
from backend.db.upsert import insert_or
from backend.workers.tables import Worker


def put(session: Session, **values: Any) -> None:
    """Insert or overwrite the row of the worker with this id."""
    statement = insert_or(session, Worker).values(**values)
    statement = statement.on_conflict_do_update(
        index_elements=[Worker.id], set_={key: value for key, value in values.items() if key != "id"}
    )
    session.execute(statement)


def note_since(session: Session, worker_id: str) -> None:
    """Keep since when the worker is out: from the first report that says so to the first that does not."""
    since = case((Worker.out_cause == "", None), else_=func.coalesce(Worker.out_since, clock.now()))
    session.execute(update(Worker).where(Worker.id == worker_id).values(out_since=since))


def all_by_start(session: Session) -> Sequence[Worker]:
    """Every worker that has reported and was not forgotten, oldest first."""
    return session.scalars(select(Worker).order_by(Worker.started_at, Worker.id)).all()


def forget(session: Session, worker_ids: Collection[str]) -> None:
    """Delete the rows of these workers."""
    session.execute(delete(Worker).where(Worker.id.in_(worker_ids)))


def forget_silent(session: Session, after: float) -> None:
    """Delete the rows of workers whose last heartbeat is older than `after` seconds."""
    session.execute(delete(Worker).where(Worker.heartbeat_at < clock.now() - after))
