"""In which order queued runs are taken: by priority, then by a place that people can change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Row, select, update
from sqlalchemy.orm import Session

from backend.db.tables import Run
from backend.domain.run import RunStatus

ORDER = (Run.priority.desc(), Run.queue_position, Run.created_at, Run.id)


def queued(session: Session, lock: bool = False) -> Sequence[Row[str, int, float]]:
    """(run, priority, place) of all that wait, the next one first; `lock` keeps others from changing it."""
    query = select(Run.id, Run.priority, Run.queue_position).where(Run.status == RunStatus.QUEUED)
    query = query.order_by(*ORDER)
    return session.execute(query.with_for_update() if lock else query).all()


def next_id(session: Session) -> str | None:
    """The run to be taken next, passed over by everybody else until this transaction ends."""
    query = select(Run.id).where(Run.status == RunStatus.QUEUED).order_by(*ORDER).limit(1)
    return session.scalar(query.with_for_update(skip_locked=True))


def place(session: Session, places: Iterable[tuple[str, int, float]]) -> None:
    """Give runs that still wait their (run, priority, place)."""
    for run_id, priority, position in places:
        change = update(Run).where(Run.id == run_id, Run.status == RunStatus.QUEUED)
        session.execute(change.values(priority=priority, queue_position=position))
