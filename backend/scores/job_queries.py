"""Evaluation jobs: who works on which batch. Writers of one job take its row first, one after the other."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, cast

from sqlalchemy import CursorResult, Row, Update, delete, exists, func, or_, select, update
from sqlalchemy.orm import Session

from backend.db import clock
from backend.runs.status import RunStatus
from backend.scores.tables import Evaluation, EvaluationBatch, EvaluationJob, Outcome
from backend.workers import lease
from backend.workers.tables import EvaluationShare

OPEN = (RunStatus.QUEUED, RunStatus.RUNNING)
FREE = EvaluationBatch.share_id.is_(None) & EvaluationBatch.votes.is_(None)


def add(session: Session, job: EvaluationJob) -> None:
    session.add(job)
    session.flush()


def lock(session: Session, evaluation_id: int) -> Row[Evaluation, EvaluationJob] | None:
    """(evaluation, job) as they are now, held until the transaction ends; None if there is no such job."""
    own = EvaluationJob.evaluation_id == evaluation_id
    session.execute(update(EvaluationJob).where(own).values(workers=EvaluationJob.workers))
    return get(session, evaluation_id)


def get(session: Session, evaluation_id: int) -> Row[Evaluation, EvaluationJob] | None:
    query = select(Evaluation, EvaluationJob).join(EvaluationJob).where(Evaluation.id == evaluation_id)
    return session.execute(query.execution_options(populate_existing=True)).one_or_none()


def jobs_of(session: Session, evaluation_ids: Collection[int]) -> dict[int, EvaluationJob]:
    """Evaluation id -> its job, for those that have one."""
    query = select(EvaluationJob).where(EvaluationJob.evaluation_id.in_(evaluation_ids))
    return {job.evaluation_id: job for job in session.scalars(query)}


def active_of(session: Session, run_id: str) -> int | None:
    """Id of a job of this run that is not over, if there is one."""
    not_over = (*OPEN, RunStatus.CANCELLING)
    query = select(Evaluation.id).join(EvaluationJob)
    query = query.where(Evaluation.run_id == run_id, Evaluation.status.in_(not_over))
    return session.scalars(query.order_by(Evaluation.id).limit(1)).one_or_none()


def newest(session: Session, limit: int, status: Collection[str] | None) -> Sequence[Evaluation]:
    """Evaluations that are jobs, newest first."""
    query = select(Evaluation).join(EvaluationJob)
    if status is not None:
        query = query.where(Evaluation.status.in_(status))
    return session.scalars(query.order_by(Evaluation.id.desc()).limit(limit)).all()


def by_status(session: Session, *statuses: RunStatus) -> Sequence[Evaluation]:
    """All jobs in one of `statuses`, oldest first."""
    query = select(Evaluation).join(EvaluationJob).where(Evaluation.status.in_(statuses))
    return session.scalars(query.order_by(Evaluation.id)).all()


def ended_since(session: Session, since: float, limit: int) -> Sequence[Evaluation]:
    """The newest jobs that failed or were cancelled after `since`."""
    ended = Evaluation.status.in_((RunStatus.FAILED, RunStatus.CANCELLED)) & (Evaluation.finished_at > since)
    query = select(Evaluation).join(EvaluationJob).where(ended)
    return session.scalars(query.order_by(Evaluation.finished_at.desc(), Evaluation.id).limit(limit)).all()


def queued_ids(session: Session) -> Sequence[int]:
    """Jobs that wait, the oldest first: in this order workers are told of them again."""
    query = select(Evaluation.id).join(EvaluationJob).where(Evaluation.status == RunStatus.QUEUED)
    return session.scalars(query.order_by(Evaluation.id)).all()


def add_share(session: Session, evaluation_id: int, worker_id: str) -> int:
    """A share that the worker holds; its id."""
    share = EvaluationShare(evaluation_id=evaluation_id, started_at=clock.now(), **lease.granted(worker_id))
    session.add(share)
    session.flush()
    return share.id


def share(session: Session, share_id: int) -> EvaluationShare | None:
    return session.get(EvaluationShare, share_id, populate_existing=True)


def shares_of(session: Session, evaluation_ids: Collection[int]) -> Sequence[EvaluationShare]:
    query = select(EvaluationShare).where(EvaluationShare.evaluation_id.in_(evaluation_ids))
    return session.scalars(query.order_by(EvaluationShare.id).execution_options(populate_existing=True)).all()


def live_shares(session: Session, evaluation_id: int) -> int:
    """How many work on it."""
    working = lease.is_held(EvaluationShare) & (EvaluationShare.evaluation_id == evaluation_id)
    return session.scalar(select(func.count()).where(working)) or 0


def end_shares(session: Session, live: Update) -> bool:
    """End the shares that `live`, an UPDATE without values, finds, and free their unfinished batches; whether
    it found any."""
    change = live.values(lease_until=None, ended_at=clock.now()).returning(EvaluationShare.id)
    ended = session.scalars(change).all()
    unfinished = EvaluationBatch.share_id.in_(ended) & EvaluationBatch.votes.is_(None)
    session.execute(update(EvaluationBatch).where(unfinished).values(share_id=None))
    return bool(ended)


def shares_in(evaluation_id: int) -> Update:
    """An UPDATE of the shares that work on it."""
    working = lease.is_held(EvaluationShare) & (EvaluationShare.evaluation_id == evaluation_id)
    return update(EvaluationShare).where(working)


def freed_batch(session: Session, evaluation_id: int) -> int | None:
    """The first batch that somebody took and did not finish."""
    query = select(func.min(EvaluationBatch.number)).where(
        EvaluationBatch.evaluation_id == evaluation_id, FREE
    )
    return session.scalar(query)


def give_batch(session: Session, evaluation_id: int, number: int, share_id: int) -> None:
    session.merge(EvaluationBatch(evaluation_id=evaluation_id, number=number, share_id=share_id))
    session.flush()


def deliver_batch(session: Session, evaluation_id: int, number: int, share_id: int, votes: bytes) -> bool:
    """Keep the votes of a batch that this share has; whether it had it."""
    change = (
        update(EvaluationBatch)
        .where(
            EvaluationBatch.evaluation_id == evaluation_id,
            EvaluationBatch.number == number,
            EvaluationBatch.share_id == share_id,
            EvaluationBatch.votes.is_(None),
        )
        .values(votes=votes)
        .execution_options(synchronize_session=False)
    )
    return cast(CursorResult[Any], session.execute(change)).rowcount == 1


def votes_of(session: Session, evaluation_id: int, numbers: Collection[int]) -> list[bytes]:
    """The votes of those of these batches that are done, by number."""
    query = (
        select(EvaluationBatch.votes)
        .where(
            EvaluationBatch.evaluation_id == evaluation_id,
            EvaluationBatch.number.in_(numbers),
            EvaluationBatch.votes.is_not(None),
        )
        .order_by(EvaluationBatch.number)
    )
    return [votes for votes in session.scalars(query) if votes is not None]


def forget_batches(session: Session, evaluation_id: int) -> None:
    session.execute(delete(EvaluationBatch).where(EvaluationBatch.evaluation_id == evaluation_id))


def forget_shares(session: Session, evaluation_id: int) -> None:
    session.execute(delete(EvaluationShare).where(EvaluationShare.evaluation_id == evaluation_id))


def has_outcome(session: Session, evaluation_id: int, task_id: str, test_index: int) -> bool:
    query = select(Outcome.id).where(
        Outcome.evaluation_id == evaluation_id,
        Outcome.task_id == task_id,
        Outcome.test_index == test_index,
    )
    return session.scalar(query) is not None


def to_send(session: Session, resend_after: float, limit: int) -> Sequence[EvaluationJob]:
    """The oldest jobs with room for another worker and something left to take, not sent within the last
    `resend_after` seconds."""
    working = (
        select(func.count())
        .where(
            EvaluationShare.evaluation_id == EvaluationJob.evaluation_id,
            lease.is_held(EvaluationShare),
        )
        .scalar_subquery()
    )
    freed = exists().where(EvaluationBatch.evaluation_id == EvaluationJob.evaluation_id, FREE)
    open_ = or_(EvaluationJob.batches.is_(None), EvaluationJob.next_batch < EvaluationJob.batches, freed)
    query = (
        select(EvaluationJob)
        .join(Evaluation, Evaluation.id == EvaluationJob.evaluation_id)
        .where(
            Evaluation.status.in_(OPEN),
            func.coalesce(EvaluationJob.dispatched_at, 0.0) < clock.now() - resend_after,
            working < EvaluationJob.workers,
            open_,
        )
    )
    return session.scalars(
        query.order_by(EvaluationJob.evaluation_id).limit(limit).with_for_update(skip_locked=True)
    ).all()
