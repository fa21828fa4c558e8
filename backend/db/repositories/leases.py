"""Who holds which run. Every change is one conditional UPDATE that names the attempt it speaks for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import CursorResult, func, or_, select, update
from sqlalchemy.orm import Session

from backend.db.repositories.queue_order import ORDER
from backend.db.tables import Checkpoint, Evaluation, Outcome, Run, RunEvent
from backend.domain.run import RunStatus

HELD = (RunStatus.RUNNING, RunStatus.CANCELLING)  # a worker has it


def take(session: Session, run_id: str, worker_id: str, now: float, lease_until: float) -> int | None:
    """Give a queued run to a worker; its new attempt, or None if it is not queued. Of many, one gets it."""
    change = (
        update(Run)
        .where(Run.id == run_id, Run.status == RunStatus.QUEUED)
        .values(
            status=RunStatus.RUNNING,
            attempt=Run.attempt + 1,
            worker_id=worker_id,
            lease_until=lease_until,
            started_at=func.coalesce(Run.started_at, now),
            finished_at=None,
            phase="loading",
            traceback="",
        )
        .returning(Run.attempt)
        .execution_options(synchronize_session=False)
    )
    return session.execute(change).scalar_one_or_none()


def change_held(
    session: Session, run_id: str, attempt: int, from_: Sequence[RunStatus] = HELD, **values: Any
) -> bool:
    """Set `values` if this attempt still holds the run in one of the statuses `from_`; whether it did.

    Without values it still takes the row, so that nobody takes the run away before this transaction ends.
    """
    change = (
        update(Run)
        .where(Run.id == run_id, Run.attempt == attempt, Run.status.in_(from_))
        .values({Run.attempt: attempt, **values})
        .execution_options(synchronize_session=False)
    )
    return cast(CursorResult[Any], session.execute(change)).rowcount == 1


def extend(session: Session, run_id: str, attempt: int, lease_until: float) -> RunStatus | None:
    """Prolong the lease of this attempt; the run's status, or None if the attempt no longer holds it."""
    change = (
        update(Run)
        .where(Run.id == run_id, Run.attempt == attempt, Run.status.in_(HELD))
        .values(lease_until=lease_until)
        .returning(Run.status)
        .execution_options(synchronize_session=False)
    )
    status = session.execute(change).scalar_one_or_none()
    return None if status is None else RunStatus(status)


def lapsed(session: Session, now: float) -> Sequence[Run]:
    """Runs whose worker let the lease run out, locked against a renewal at the same moment."""
    query = select(Run).where(Run.status.in_(HELD), Run.lease_until < now)
    return session.scalars(query.order_by(Run.created_at, Run.id).with_for_update(skip_locked=True)).all()


def held(session: Session) -> Sequence[Run]:
    """Runs that a worker has."""
    return session.scalars(select(Run).where(Run.status.in_(HELD)).order_by(Run.created_at, Run.id)).all()


def to_send(session: Session, before: float, limit: int) -> Sequence[Run]:
    """The first of the queued runs whose message, if any, was sent before `before`."""
    sent_at = func.coalesce(Run.dispatched_at, Run.created_at)
    put_back = (Run.attempt > 0) & Run.dispatched_at.is_(None)
    query = select(Run).where(Run.status == RunStatus.QUEUED, or_(put_back, sent_at < before))
    return session.scalars(query.order_by(*ORDER).limit(limit).with_for_update(skip_locked=True)).all()


def kept_progress(session: Session, run_id: str) -> tuple[int, int]:
    """What a restart would not have to do again: (step of the last checkpoint, test inputs scored)."""
    step = session.scalar(select(func.max(Checkpoint.step)).where(Checkpoint.run_id == run_id))
    scored = select(func.count(Outcome.id)).join(Evaluation, Outcome.evaluation_id == Evaluation.id)
    return step or 0, session.scalar(scored.where(Evaluation.run_id == run_id)) or 0


def events_of_kinds(session: Session, run_id: str, kinds: Sequence[str]) -> Sequence[RunEvent]:
    """Events of these kinds, newest first."""
    query = select(RunEvent).where(RunEvent.run_id == run_id, RunEvent.kind.in_(kinds))
    return session.scalars(query.order_by(RunEvent.id.desc())).all()
