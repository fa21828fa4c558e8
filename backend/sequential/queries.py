"""Duels of checkpoints."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.scores.tables import Duel


def add(session: Session, duel: Duel) -> None:
    session.add(duel)
    session.flush()


def get(session: Session, duel_id: int) -> Duel | None:
    return session.get(Duel, duel_id)


def newest(session: Session, limit: int) -> Sequence[Duel]:
    return session.scalars(select(Duel).order_by(Duel.id.desc()).limit(limit)).all()


def running(session: Session) -> Sequence[Duel]:
    """Active ones, each locked so that no other process advances it at the same moment."""
    query = select(Duel).where(Duel.status == "running").order_by(Duel.id)
    return session.scalars(query.with_for_update(skip_locked=True)).all()
