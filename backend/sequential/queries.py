"""Sequential comparisons of checkpoints."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.scores.tables import SequentialComparison


def add(session: Session, sequential: SequentialComparison) -> None:
    session.add(sequential)
    session.flush()


def get(session: Session, comparison_id: int) -> SequentialComparison | None:
    return session.get(SequentialComparison, comparison_id)


def newest(session: Session, limit: int) -> Sequence[SequentialComparison]:
    return session.scalars(
        select(SequentialComparison).order_by(SequentialComparison.id.desc()).limit(limit)
    ).all()


def running(session: Session) -> Sequence[SequentialComparison]:
    """Active ones, each locked so that no other process advances it at the same moment."""
    query = (
        select(SequentialComparison)
        .where(SequentialComparison.status == "running")
        .order_by(SequentialComparison.id)
    )
    return session.scalars(query.with_for_update(skip_locked=True)).all()
