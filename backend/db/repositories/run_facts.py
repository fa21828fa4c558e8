"""What many runs have, one query for all of them: the table of runs never asks per row."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from backend.db.tables import Alarm, Checkpoint, Evaluation, Run, Series
from backend.domain.run import RunStatus


def evaluations(session: Session, run_ids: Collection[str]) -> Sequence[Evaluation]:
    """The evaluations of these runs, oldest first."""
    query = select(Evaluation).where(Evaluation.run_id.in_(run_ids)).order_by(Evaluation.id)
    return session.scalars(query).all()


def alarms(session: Session, run_ids: Collection[str]) -> Sequence[Alarm]:
    """The alarms of these runs, by step."""
    query = select(Alarm).where(Alarm.run_id.in_(run_ids)).order_by(Alarm.step, Alarm.id)
    return session.scalars(query).all()


def checkpoint_steps(session: Session, run_ids: Collection[str]) -> dict[str, int]:
    """Run id -> step of its newest checkpoint, for those that have one."""
    query: Select[tuple[str, int]] = (
        select(Checkpoint.run_id, func.max(Checkpoint.step))
        .where(Checkpoint.run_id.in_(run_ids))
        .group_by(Checkpoint.run_id)
    )
    return dict(session.execute(query).tuples().all())


def queued_ids(session: Session) -> list[str]:
    """Ids of the waiting runs, the longest waiting first."""
    query = select(Run.id).where(Run.status == RunStatus.QUEUED).order_by(Run.created_at, Run.id)
    return list(session.scalars(query))


def all_ids(session: Session) -> list[str]:
    """Ids of all runs."""
    return list(session.scalars(select(Run.id)))


def metric_names(session: Session) -> list[str]:
    """Names of all metrics that any run has."""
    return list(session.scalars(select(Series.name).distinct()))
