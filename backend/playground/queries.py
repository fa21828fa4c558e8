"""Rows of plays."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Row, delete, func, select, update
from sqlalchemy.orm import Session, undefer

from backend.db import clock
from backend.playground.tables import Play
from backend.runs.status import RunStatus
from backend.runs.tables import Checkpoint, Run
from backend.workers import lease

WAITING = (RunStatus.QUEUED, RunStatus.RUNNING)


def add(session: Session, play: Play) -> None:
    session.add(play)
    session.flush()


def get(session: Session, play_id: str) -> Play | None:
    """With its result."""
    return session.get(Play, play_id, options=[undefer(Play.result)], populate_existing=True)


def first_queued(session: Session, most: int) -> Sequence[str]:
    """Ids of those that have waited longest."""
    queued = select(Play.id).where(Play.status == RunStatus.QUEUED)
    return session.scalars(queued.order_by(Play.created_at, Play.id).limit(most)).all()


def is_any_held(session: Session) -> bool:
    """Whether a worker has one."""
    return session.scalar(select(Play.id).where(lease.is_held(Play)).limit(1)) is not None


def ahead_of(session: Session, play: Play) -> int:
    """How many are to be answered before it."""
    before = (Play.created_at < play.created_at) | (
        (Play.created_at == play.created_at) & (Play.id < play.id)
    )
    counted = select(func.count()).where(Play.status.in_(WAITING), before)
    return session.scalar(counted) or 0


def waiting(session: Session, owner_id: int | None = None, of_all: bool = False) -> int:
    """How many of a person, or of all, are not answered yet."""
    counted = select(func.count()).where(Play.status.in_(WAITING))
    if not of_all:
        counted = counted.where(Play.owner_id.is_not_distinct_from(owner_id))
    return session.scalar(counted) or 0


def with_checkpoints(session: Session, most: int) -> Sequence[Row[str, str, str, int]]:
    """(id, name, variant, newest step) of the newest runs that have a checkpoint."""
    query = (
        select(Run.id, Run.name, Run.variant, func.max(Checkpoint.step))
        .join(Checkpoint, Checkpoint.run_id == Run.id)
        .where(Run.archived_at.is_(None))
        .group_by(Run.id, Run.name, Run.variant, Run.created_at)
        .order_by(Run.created_at.desc(), Run.id)
        .limit(most)
    )
    return session.execute(query).all()


def keep(session: Session, play_id: str) -> None:
    session.execute(update(Play).where(Play.id == play_id).values(kept=True))


def delete_before(session: Session, seconds: float) -> None:
    """Delete those that nobody keeps and that were asked longer ago; not those that a worker has."""
    session.execute(
        delete(Play).where(
            Play.kept.is_(False),
            Play.created_at < clock.now() - seconds,
            ~lease.is_held(Play),
        )
    )
