"""Aliases of checkpoints, and the rows of whatever needs one; in bulk, by run."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from sqlalchemy import Row, delete, insert, or_, select
from sqlalchemy.orm import Session

from backend.db.upsert import insert_or
from backend.keeping.tables import CheckpointAlias, DashboardRun
from backend.runs.status import RunStatus
from backend.runs.tables import Checkpoint, Run
from backend.scores.tables import Evaluation, EvaluationJob

UNDER_WAY = (RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.CANCELLING)


def aliases_of(session: Session, run_ids: Collection[str]) -> Sequence[Row[CheckpointAlias, int]]:
    """(alias, step of its checkpoint), by name."""
    query = (
        select(CheckpointAlias, Checkpoint.step)
        .join(Checkpoint, Checkpoint.id == CheckpointAlias.checkpoint_id)
        .where(CheckpointAlias.run_id.in_(run_ids))
        .order_by(CheckpointAlias.name)
    )
    return session.execute(query.execution_options(populate_existing=True)).all()


def put_alias(session: Session, run_id: str, name: str, checkpoint_id: int, by: str, at: float) -> None:
    """Set the alias, or move it."""
    moved = {"checkpoint_id": checkpoint_id, "set_by": by, "set_at": at}
    statement = insert_or(session, CheckpointAlias).values(run_id=run_id, name=name, **moved)
    statement = statement.on_conflict_do_update(
        index_elements=[CheckpointAlias.run_id, CheckpointAlias.name], set_=moved
    )
    session.execute(statement)


def delete_alias(session: Session, run_id: str, name: str) -> bool:
    """Whether there was one."""
    query = delete(CheckpointAlias).where(CheckpointAlias.run_id == run_id, CheckpointAlias.name == name)
    return session.execute(query.returning(CheckpointAlias.id)).first() is not None


def forks_of(session: Session, run_ids: Collection[str]) -> Sequence[Row[str | None, int | None, str]]:
    """(run, step, fork) of every run that started from a checkpoint of these."""
    query = select(Run.fork_of, Run.fork_step, Run.id).where(Run.fork_of.in_(run_ids))
    return session.execute(query.order_by(Run.created_at, Run.id)).all()


def evaluations_of(session: Session, run_ids: Collection[str]) -> Sequence[Row[str, int, int]]:
    """(run, step, evaluation) of all that somebody asked for, and of those under way.

    Those that a training makes of itself, once they have ended, need nothing: they would keep everything.
    """
    query = (
        select(Evaluation.run_id, Evaluation.step, Evaluation.id)
        .outerjoin(EvaluationJob, EvaluationJob.evaluation_id == Evaluation.id)
        .where(
            Evaluation.run_id.in_(run_ids),
            or_(EvaluationJob.evaluation_id.is_not(None), Evaluation.status.in_(UNDER_WAY)),
        )
    )
    return session.execute(query.order_by(Evaluation.id)).all()


def scored_steps(session: Session, run_ids: Collection[str]) -> Sequence[Row[str, int]]:
    """(run, step) of every finished evaluation."""
    query = select(Evaluation.run_id, Evaluation.step).where(
        Evaluation.run_id.in_(run_ids), Evaluation.status == RunStatus.FINISHED
    )
    return session.execute(query.distinct()).all()


def dashboards_of(session: Session, run_ids: Collection[str]) -> Sequence[DashboardRun]:
    """The dashboards that name these runs."""
    query = select(DashboardRun).where(DashboardRun.run_id.in_(run_ids)).order_by(DashboardRun.dashboard_id)
    return session.scalars(query).all()


def replace_runs_of_dashboard(
    session: Session, dashboard_id: int, name: str, run_ids: Iterable[str], every: bool
) -> None:
    """The dashboard names these runs now, and no others."""
    session.execute(delete(DashboardRun).where(DashboardRun.dashboard_id == dashboard_id))
    rows = [
        {"dashboard_id": dashboard_id, "run_id": run_id, "dashboard": name, "every": every}
        for run_id in dict.fromkeys(run_ids)
    ]
    if rows:
        session.execute(insert(DashboardRun), rows)
