"""In which order queued runs are taken: by priority, then by a place that people can change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, func, or_, select, update
from sqlalchemy.orm import Session

from backend.db import clock
from backend.runs.status import RunStatus
from backend.runs.tables import Run

ORDER = (Run.priority.desc(), Run.queue_position, Run.created_at, Run.id)


def queued(session: Session, lock: bool = False) -> Sequence[Row[str, int, float]]:
    """(run, priority, place) of all that wait, the next one first; `lock` keeps others from changing it."""
    query = select(Run.id, Run.priority, Run.queue_position).where(Run.status == RunStatus.QUEUED)
    query = query.order_by(*ORDER)
    return session.execute(query.with_for_update() if lock else query).all()


def first(session: Session, run_id: str | None = None) -> Row[str, int] | None:
    """(run, its attempt so far) to be taken next, or `run_id` if that waits: passed over by everybody else
    until this transaction ends."""
    query = select(Run.id, Run.attempt).where(Run.status == RunStatus.QUEUED).order_by(*ORDER).limit(1)
    if run_id is not None:
        query = query.where(Run.id == run_id)
    return session.execute(query.with_for_update(skip_locked=True)).one_or_none()


def asked(session: Session, unsent_for: float | None = None) -> Sequence[Row[str, Any, Any]]:
    """(run, its device, its placement) of all that wait, the next one first, as its config has them.

    With `unsent_for` only those whose message, if any, was sent more than so many seconds ago.
    """
    device = Run.config[("training", "device")].as_string()
    query = select(Run.id, device, Run.config["placement"]).where(Run.status == RunStatus.QUEUED)
    if unsent_for is not None:
        query = query.where(_unsent(unsent_for))
    return session.execute(query.order_by(*ORDER)).all()


def lock(session: Session, run_ids: Sequence[str], unsent_for: float) -> Sequence[Run]:
    """Those of the runs that still wait, unsent for so many seconds, and that nobody else has locked."""
    query = select(Run).where(Run.id.in_(run_ids), Run.status == RunStatus.QUEUED, _unsent(unsent_for))
    return session.scalars(query.order_by(*ORDER).with_for_update(skip_locked=True)).all()


def _unsent(after: float) -> ColumnElement[bool]:
    sent_at = func.coalesce(Run.dispatched_at, Run.created_at)
    put_back = (Run.attempt > 0) & Run.dispatched_at.is_(None)
    return or_(put_back, sent_at < clock.now() - after)


def place(session: Session, places: Iterable[tuple[str, int, float]]) -> None:
    """Give runs that still wait their (run, priority, place)."""
    for run_id, priority, position in places:
        change = update(Run).where(Run.id == run_id, Run.status == RunStatus.QUEUED)
        session.execute(change.values(priority=priority, queue_position=position))
