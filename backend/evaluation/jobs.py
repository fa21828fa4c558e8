"""Evaluation jobs as workers see them: shares with leases, batches to compute, votes to deliver.

Several workers may share a job, each under a share of its own, whose id is the fencing token. Which views a
batch holds is fixed by the plan, and a batch counts once, whole: whoever computes what, in whatever order
and after whatever interruptions, the outcomes are the same.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.orm import Session

from backend.alerts import service as alerts
from backend.db import clock
from backend.domain.alerts import Event
from backend.domain.arc.votes import added, cost_of_adaptation, tally
from backend.domain.records import EvaluationSummary, TestOutcome
from backend.evaluation import outcomes as predictions
from backend.kit.format import worker_name
from backend.runs.events import BY_USER
from backend.runs.status import MAX_ATTEMPTS, RunStatus
from backend.scores import job_queries as rows
from backend.scores import queries as evaluation_rows
from backend.scores.tables import Evaluation, EvaluationJob
from backend.scores.transition import transition_evaluation
from backend.workers import lease
from backend.workers.tables import EvaluationShare

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Share:
    """A worker's right to work on a job."""

    id: int
    evaluation_id: int
    run_id: str = ""
    worker_id: str = ""


class ShareLost(Exception):
    """The share has ended: its lease lapsed, or the evaluation is over."""


def claim(session: Session, evaluation_id: int, worker_id: str) -> Share | None:
    """A share of a job that has work left; None if there is nothing to take (a message is only a hint)."""
    found = rows.lock(session, evaluation_id)
    if found is None or found[0].status not in rows.OPEN:
        return None
    evaluation, job = found
    if rows.live_shares(session, evaluation_id) >= job.workers or not _has_work(session, job):
        return None
    share_id = rows.add_share(session, evaluation_id, worker_id)
    text = f"taken by {worker_name(worker_id)}"
    transition_evaluation(session, evaluation, (RunStatus.QUEUED,), RunStatus.RUNNING, text)
    job.status_cause = ""
    if job.started_at is None:
        job.started_at = clock.now()
    session.flush()
    return Share(share_id, evaluation_id, evaluation.run_id, worker_id)


def renew(session: Session, held: Share) -> RunStatus | None:
    """Prolong the lease; running or cancelling (stop), or None: the share has ended, or the job failed."""
    if not lease.renew(session, lease.of_share(held.id)):
        return None
    status = RunStatus(evaluation_rows.status_of(session, held.evaluation_id))
    return None if status in (RunStatus.FAILED, RunStatus.CANCELLED) else status


def begin(
    session: Session, held: Share, device_name: str, batches: int, views: int, cells: int,
    failed: Sequence[TestOutcome],
) -> None:  # fmt: skip
    """The share has the plan: how much there is to do, and what fits no canvas. ShareLost."""
    _, job = _held(session, held)
    share = rows.share(session, held.id)
    assert share is not None
    share.device_name = device_name
    if job.batches is None:
        job.batches, job.views, job.cells = batches, views, cells
        for outcome in failed:
            predictions.add_outcome(session, held.evaluation_id, outcome)
    session.flush()


def take(session: Session, held: Share) -> int | None:
    """The number of a batch to compute; None when none is left to take. ShareLost."""
    _, job = _held(session, held)
    number = rows.freed_batch(session, held.evaluation_id)
    if number is None:
        if job.batches is None or job.next_batch >= job.batches:
            return None
        number = job.next_batch
        job.next_batch += 1
    rows.give_batch(session, held.evaluation_id, number, held.id)
    return number


def deliver(
    session: Session, held: Share, number: int, votes: bytes, views: int, cells: int, seconds: float
) -> None:
    """Keep what one batch votes for. ShareLost where it is no longer this share's to compute."""
    evaluation, job = _held(session, held)
    if not rows.deliver_batch(session, held.evaluation_id, number, held.id, votes):
        raise ShareLost(f"batch {number} of evaluation {held.evaluation_id}")
    share = rows.share(session, held.id)
    assert share is not None
    share.views += views
    share.seconds += seconds
    evaluation.seconds += seconds
    job.batches_done += 1
    job.views_done += views
    job.cells_done += cells
    job.failed_attempts = 0
    session.flush()


def votes(session: Session, evaluation_id: int, numbers: Sequence[int]) -> list[bytes] | None:
    """The votes of these batches, or None if one of them is not done yet."""
    found = rows.votes_of(session, evaluation_id, numbers)
    return found if len(found) == len(numbers) else None


def is_judged(session: Session, evaluation_id: int, task_id: str, test_index: int) -> bool:
    """Whether the test input has its outcome."""
    return rows.has_outcome(session, evaluation_id, task_id, test_index)


def judged(session: Session, held: Share, outcome: TestOutcome) -> None:
    """A test input has its outcome."""
    evaluation, _ = _held(session, held)
    predictions.add_outcome(session, held.evaluation_id, outcome)
    if outcome.trace is not None:
        new = tally([(outcome.trace, outcome.truth_rank)])
        old = evaluation.extras.get("by_dihedral")
        evaluation.extras = evaluation.extras | {"by_dihedral": added(old, new) if old else new}
        if outcome.trace.search is not None:
            decodes = evaluation.extras.get("search_decodes", 0) + outcome.trace.search.decodes
            evaluation.extras = evaluation.extras | {"search_decodes": decodes}
        if outcome.test_index == 0:  # a task is learned once for all its test inputs
            cost = cost_of_adaptation([outcome.trace])
            so_far = {name: evaluation.extras.get(name, 0) + value for name, value in cost.items()}
            evaluation.extras = evaluation.extras | so_far
        session.flush()


def is_complete(session: Session, held: Share) -> bool:
    """Whether every batch is done and the evaluation not summed up yet. ShareLost."""
    evaluation, job = _held(session, held)
    return job.batches is not None and job.batches_done == job.batches and evaluation.status != "finished"


def complete(session: Session, held: Share, summary: EvaluationSummary) -> None:
    """All is done: keep the scores and drop the batches."""
    evaluation, _ = _held(session, held)
    extras = evaluation.extras | dict(summary.extras)
    whole = replace(summary, seconds=evaluation.seconds, extras=extras)
    predictions.finish_evaluation(session, held.evaluation_id, whole, "finished")
    rows.forget_batches(session, held.evaluation_id)


def note(session: Session, held: Share, facts: Mapping[str, Any]) -> None:
    """What is known of the tasks before they are scored: facts of this evaluation, not of its run."""
    evaluation, _ = _held(session, held)
    evaluation.extras = {**evaluation.extras, **facts}
    session.flush()


def report_error(session: Session, held: Share, cause: str, traceback: str) -> None:
    """Keep a child's own account of its crash; its worker ends the job once the process is gone."""
    _, job = _held(session, held)
    job.status_cause, job.traceback = cause, traceback
    session.flush()


def finish(session: Session, held: Share) -> RunStatus | None:
    """The share found nothing more to take, and its process has ended."""
    return _end(session, held, "")


def release(session: Session, held: Share, cause: str) -> RunStatus | None:
    """The worker leaves in good order: its unfinished batch is for others."""
    return _end(session, held, cause)


def interrupt(session: Session, held: Share, cause: str, traceback: str = "") -> RunStatus | None:
    """The process died: its unfinished batch is for others, unless that keeps happening."""
    found = rows.lock(session, held.evaluation_id)
    if found is not None and found[0].status == RunStatus.RUNNING:
        job = found[1]
        job.failed_attempts += 1
        session.flush()
        if job.failed_attempts >= MAX_ATTEMPTS:
            text = f"{cause}; gave up after {job.failed_attempts} attempts without a finished batch"
            return fail(session, held, text, traceback)
    return _end(session, held, f"{cause}; resumes where it stopped")


def node_fault(session: Session, held: Share, cause: str, traceback: str = "") -> RunStatus | None:
    """The share met a fault of its worker's machine: its unfinished batch is for others."""
    share, found = rows.share(session, held.id), rows.lock(session, held.evaluation_id)
    if found is not None:
        found[1].traceback = ""  # it would speak for the evaluation
    worker = worker_name(share.worker_id if share else "")
    return interrupt(session, held, f"fault of the machine of {worker}: {cause}", traceback)


def reported(session: Session, held: Share) -> str:
    """What the child itself said about its end (`report_error`); empty: nothing."""
    found = rows.lock(session, held.evaluation_id)
    return found[1].status_cause if found is not None and found[1].traceback else ""


def fail(session: Session, held: Share, cause: str, traceback: str) -> RunStatus | None:
    """The job cannot continue; its workers are stopped. What the child reported itself goes first."""
    found = rows.lock(session, held.evaluation_id)
    if found is None or not rows.end_shares(session, lease.of_share(held.id)):
        return None
    evaluation, job = found
    if job.traceback:
        cause, traceback = job.status_cause, job.traceback
    text = f"failed: {cause}"
    if transition_evaluation(session, evaluation, (RunStatus.RUNNING,), RunStatus.FAILED, text):
        job.status_cause, job.traceback = cause, traceback
        alerts.tell(session, Event.EVALUATION, evaluation.run_id, f"Failed: {cause}", evaluation.id)
    return _settle(session, evaluation, job, "")


def put_back_lost(
    session: Session, is_dead: Callable[[str], bool] | None = None, count_lapsed: bool = True
) -> None:
    """End the shares whose lease has lapsed, and those of workers that are known to be dead."""
    for share, how in lease.lost(session, EvaluationShare, is_dead, count_lapsed):
        held, cause = Share(share.id, share.evaluation_id), f"worker {worker_name(share.worker_id)} {how}"
        log.info("Put back: %s", cause, extra={"evaluation_id": held.evaluation_id})
        interrupt(session, held, cause)


def _has_work(session: Session, job: EvaluationJob) -> bool:
    if job.batches is None or job.next_batch < job.batches:
        return True
    return rows.freed_batch(session, job.evaluation_id) is not None or job.batches_done == job.batches


def _held(session: Session, held: Share) -> tuple[Evaluation, EvaluationJob]:
    """The job, locked, under a share that has not ended; ShareLost."""
    found = rows.lock(session, held.evaluation_id)
    share = rows.share(session, held.id)
    if found is None or share is None or share.lease_until is None:
        raise ShareLost(f"share {held.id} of evaluation {held.evaluation_id}")
    if found[0].status in (RunStatus.FAILED, RunStatus.CANCELLED):
        raise ShareLost(f"evaluation {held.evaluation_id} is {found[0].status}")
    return found[0], found[1]


def _end(session: Session, held: Share, cause: str) -> RunStatus | None:
    """End the share; None if it had ended before."""
    found = rows.lock(session, held.evaluation_id)
    if found is None or not rows.end_shares(session, lease.of_share(held.id)):
        return None
    return _settle(session, *found, cause)


def _settle(session: Session, evaluation: Evaluation, job: EvaluationJob, cause: str) -> RunStatus:
    """What the job is once one of its shares has ended."""
    again = f"waits again: {cause or 'work is left'}"
    why = BY_USER if job.traceback else job.status_cause or BY_USER  # as `service.stop` noted it
    if rows.live_shares(session, evaluation.id):
        if evaluation.status == RunStatus.RUNNING and cause:
            job.status_cause, job.dispatched_at = cause, None
    elif transition_evaluation(session, evaluation, (RunStatus.CANCELLING,), RunStatus.CANCELLED, why):
        job.status_cause = why
    elif transition_evaluation(session, evaluation, (RunStatus.RUNNING,), RunStatus.QUEUED, again):
        job.status_cause, job.dispatched_at = cause, None
    session.flush()
    return RunStatus(evaluation.status)
