"""Alarms that a webhook is still to hear of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, func, select, update
from sqlalchemy.orm import Session

from backend.runs.tables import Alarm, Run


def due(session: Session, now: float, limit: int) -> Sequence[Row[Alarm, Run]]:
    """(alarm, its run) whose time has come, oldest first; another process that looks now gets others."""
    query = select(Alarm, Run).join(Run, Run.id == Alarm.run_id).where(Alarm.deliver_after <= now)
    query = query.order_by(Alarm.id).limit(limit)
    return session.execute(query.with_for_update(skip_locked=True, of=Alarm)).all()


def change(session: Session, alarm_id: int, **values: Any) -> None:
    """Note what became of a delivery."""
    session.execute(update(Alarm).where(Alarm.id == alarm_id).values(**values))


def drop_all(session: Session) -> None:
    """Nobody is to be told of what was raised so far."""
    session.execute(update(Alarm).where(Alarm.deliver_after.is_not(None)).values(deliver_after=None))


def counts(session: Session) -> tuple[int, int, int, float | None]:
    """How many arrived, are to be tried (again), were given up; and when the last one arrived."""
    waits, gone = Alarm.deliver_after.is_not(None), Alarm.delivered_at.is_not(None)
    query = select(
        func.count().filter(gone),
        func.count().filter(waits),
        func.count().filter(~waits & ~gone & (Alarm.delivery_attempts > 0)),
        func.max(Alarm.delivered_at),
    )
    arrived, waiting, given_up, last = session.execute(query).one()
    return arrived, waiting, given_up, last


def newest_failing(session: Session) -> Alarm | None:
    """The newest alarm whose last try failed."""
    query = select(Alarm).where(Alarm.delivered_at.is_(None), Alarm.delivery_error != "")
    return session.scalars(query.order_by(Alarm.id.desc()).limit(1)).one_or_none()


def any_waiting(session: Session) -> bool:
    return session.scalar(select(Alarm.id).where(Alarm.deliver_after.is_not(None)).limit(1)) is not None
