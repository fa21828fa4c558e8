"""Entries, newest first."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from backend.audit.tables import AuditEntry
from backend.db import clock


def newest(
    session: Session, person: str, action: str, before_id: int | None, limit: int | None
) -> Sequence[AuditEntry]:
    """Entries before `before_id`; an empty person or action is any, no limit all of them."""
    query = select(AuditEntry).order_by(AuditEntry.id.desc()).limit(limit)
    if person:
        query = query.where(AuditEntry.person == person)
    if action:
        query = query.where(AuditEntry.action == action)
    if before_id is not None:
        query = query.where(AuditEntry.id < before_id)
    return session.scalars(query).all()


def people(session: Session) -> Sequence[str]:
    """Everybody who did something, by name."""
    return session.scalars(select(AuditEntry.person).distinct().order_by(AuditEntry.person)).all()


def delete_older(session: Session, seconds: float) -> None:
    """Forget what is older than this."""
    session.execute(delete(AuditEntry).where(AuditEntry.at < clock.now() - seconds))
