"""Rows of studies."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.domain.records import UNCOUNTED
from backend.domain.statistics import Ranks, ranks_by_task
from backend.scores.job_queries import jobs_of
from backend.scores.tables import Evaluation, EvaluationJob, Outcome
from backend.study.tables import StudyEvaluation, StudyRow, StudyRun


def get(session: Session, study_id: str) -> StudyRow | None:
    """A study, as the database has it now."""
    return session.get(StudyRow, study_id, populate_existing=True)


def hold(session: Session, study_id: str, wait: bool = True) -> StudyRow | None:
    """The same, and until the transaction ends nobody else changes it; without `wait`, None where somebody
    is changing it."""
    query = select(StudyRow).where(StudyRow.id == study_id).with_for_update(skip_locked=not wait)
    return session.scalars(query.execution_options(populate_existing=True)).one_or_none()


def newest(session: Session, limit: int) -> Sequence[StudyRow]:
    """Studies, newest first."""
    query = select(StudyRow).order_by(StudyRow.created_at.desc(), StudyRow.id).limit(limit)
    return session.scalars(query).all()


def running_ids(session: Session) -> Sequence[str]:
    """Studies that are running."""
    query = select(StudyRow.id).where(StudyRow.status == "running").order_by(StudyRow.id)
    return session.scalars(query).all()


def all_ids(session: Session) -> Sequence[str]:
    """Ids of all studies."""
    return session.scalars(select(StudyRow.id)).all()


def runs(session: Session, study_id: str) -> Sequence[StudyRun]:
    """The runs of a study, by configuration and seed."""
    query = select(StudyRun).where(StudyRun.study_id == study_id)
    query = query.order_by(StudyRun.configuration, StudyRun.seed)
    return session.scalars(query.execution_options(populate_existing=True)).all()


def evaluations(session: Session, study_id: str) -> Sequence[StudyEvaluation]:
    """The evaluations of a study."""
    query = select(StudyEvaluation).where(StudyEvaluation.study_id == study_id)
    return session.scalars(query.execution_options(populate_existing=True)).all()


def scored(session: Session, ids: Collection[int]) -> dict[int, tuple[Evaluation, EvaluationJob | None]]:
    """Evaluations with their jobs, by id; one of a training has none."""
    jobs = jobs_of(session, ids)
    found = session.scalars(select(Evaluation).where(Evaluation.id.in_(ids)))
    return {each.id: (each, jobs.get(each.id)) for each in found}


def ranks(session: Session, ids: Collection[int]) -> dict[int, Ranks]:
    """Of each of these evaluations the truth's ranks by task; what no score counts is left out."""
    query = (
        select(Outcome.evaluation_id, Outcome.task_id, Outcome.truth_rank)
        .where(Outcome.evaluation_id.in_(ids), Outcome.note.not_in(UNCOUNTED))
        .order_by(Outcome.evaluation_id, Outcome.task_id, Outcome.test_index)
    )
    listed: dict[int, list[tuple[str, int | None]]] = {}
    for row in session.execute(query):
        listed.setdefault(row.evaluation_id, []).append((row.task_id, row.truth_rank))
    return {evaluation_id: ranks_by_task(of_one) for evaluation_id, of_one in listed.items()}
