"""What many runs have, one query for all of them: the table of runs never asks per row."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from backend.metrics.tables import Series
from backend.runs.tables import Alarm, Checkpoint, Run
from backend.scores.tables import Evaluation, Outcome


def evaluations(session: Session, run_ids: Collection[str]) -> Sequence[Row[Evaluation, int]]:
    """(evaluation, number of its test inputs scored so far) of these runs, oldest first.

    Only results: what an ablation asks is shown by its ablation.
    """
    scored = select(func.count()).where(Outcome.evaluation_id == Evaluation.id).scalar_subquery()
    query = select(Evaluation, scored).where(Evaluation.run_id.in_(run_ids), Evaluation.is_result)
    return session.execute(query.order_by(Evaluation.id)).all()


def evaluated(session: Session, run_ids: Collection[str]) -> Sequence[str]:
    """Those of the runs that have a result."""
    query = select(Evaluation.run_id).where(Evaluation.run_id.in_(run_ids), Evaluation.is_result)
    return session.scalars(query.distinct()).all()


def alarms(session: Session, run_ids: Collection[str]) -> Sequence[Alarm]:
    """The alarms of these runs, by step."""
    query = select(Alarm).where(Alarm.run_id.in_(run_ids)).order_by(Alarm.step, Alarm.id)
    return session.scalars(query).all()


def checkpoint_steps(session: Session, run_ids: Collection[str]) -> dict[str, int]:
    """Run id -> step of its newest checkpoint, for those that have one."""
    query = (
        select(Checkpoint.run_id, func.max(Checkpoint.step))
        .where(Checkpoint.run_id.in_(run_ids))
        .group_by(Checkpoint.run_id)
    )
    return {run_id: step for run_id, step in session.execute(query)}  # noqa: C416


def all_ids(session: Session) -> list[str]:
    """Ids of all runs."""
    return list(session.scalars(select(Run.id)))


def projects(session: Session) -> Sequence[str]:
    """Names of all projects, in order."""
    query = select(Run.project).where(Run.project != "").distinct()
    return session.scalars(query.order_by(Run.project)).all()


def metric_names(session: Session, run_ids: Collection[str] | None = None) -> list[str]:
    """Names of the metrics that any of these runs (None: any run at all) has."""
    query = select(Series.name).distinct()
    return list(session.scalars(query if run_ids is None else query.where(Series.run_id.in_(run_ids))))
