"""Who may work on which run: claim, renew, end, and put back what was lost.

The database is the truth and its clock the time; a message to a worker is only a hint
(docs/decisions/queue.md).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Row
from sqlalchemy.orm import Session

from backend.alerts import service as alerts
from backend.db import clock
from backend.domain.alerts import Event
from backend.hypothesis import service as hypotheses
from backend.kit.format import worker_name
from backend.lifecycle import end as run_end
from backend.runs import events
from backend.runs import journal_queries as journal
from backend.runs import order_queries as queue_order
from backend.runs import queries as runs
from backend.runs.status import MAX_ATTEMPTS, RunStatus
from backend.runs.tables import Run
from backend.runs.transition import transition_run
from backend.scores import queries as evaluations
from backend.workers import lease
from backend.workers.capability import Offer, needs

log = logging.getLogger(__name__)
VAIN = ("interrupted", "node_fault")  # kinds of events: the attempt ended before its run did
ENDS = (RunStatus.FINISHED, RunStatus.FAILED, RunStatus.CANCELLED)


@dataclass(frozen=True)
class Claim:
    """A worker's right to a run. `attempt` is the fencing token: only its holder may write."""

    run_id: str
    attempt: int
    worker_id: str = ""


def claim(session: Session, run_id: str | None, worker_id: str, offer: Offer | None = None) -> Claim | None:
    """Take a queued run, or (None) the first in the queue that asks for no more than the worker's `offer`;
    None if there is nothing to take (a duplicate message, another worker was first)."""
    waiting = queue_order.take(session, run_id) if run_id else _first(session, offer)
    if waiting is None:
        return None
    held = Claim(waiting.id, waiting.attempt + 1, worker_id)
    step, _ = evaluations.kept_progress(session, held.run_id)
    where = f"resumes from step {step}" if step else "starts at step 0"
    text = f"Attempt {held.attempt} by {worker_name(worker_id)}: {where}."
    taken = transition_run(
        session,
        held.run_id,
        (RunStatus.QUEUED,),
        RunStatus.RUNNING,
        text,
        kind="claimed",
        data={"attempt": held.attempt, "step": step},
        on_attempt=waiting.attempt,
        attempt=held.attempt,
        phase="loading",
        traceback="",
        claimed_at=clock.now(),
        **lease.granted(worker_id),
    )
    return held if taken else None


def _first(session: Session, offer: Offer | None) -> Row[str, int, int | None] | None:
    """As `order_queries.take`, the first of those that ask for no more than is offered."""
    for run_id, device, placement in queue_order.asked(session):
        may = offer is None or not needs(device, placement).missing(offer)
        if may and (free := queue_order.take(session, run_id)):
            return free
    return None


def renew(session: Session, held: Claim) -> RunStatus | None:
    """Prolong the lease; running or cancelling (stop it), or None: another attempt has the run by now."""
    if not lease.renew(session, lease.of_run(held.run_id, held.attempt)):
        return None
    run = runs.get(session, held.run_id)
    return RunStatus(run.status) if run else None


def finish(session: Session, held: Claim) -> RunStatus | None:
    """The run did all it had to, or what its stop rule let it. Its status; None if the claim is lost."""
    ruling = hypotheses.ruling_of(session, held.run_id, held.attempt)
    return _end(session, held, RunStatus.FINISHED, ruling.text if ruling else "")


def fail(session: Session, held: Claim, cause: str, traceback: str) -> RunStatus | None:
    """The run cannot continue. What the child reported itself goes before `cause` and `traceback`."""
    run = runs.get(session, held.run_id)
    if run is not None and run.attempt == held.attempt and run.traceback:
        cause, traceback = run.status_cause, run.traceback
    return _end(session, held, RunStatus.FAILED, cause, traceback)


def cancelled(session: Session, held: Claim) -> RunStatus | None:
    """The cancel that somebody asked for is carried out. Called only once no process of the run is left."""
    return _end(session, held, RunStatus.CANCELLED, events.why_cancelled(session, held.run_id))


def release(session: Session, held: Claim, cause: str) -> RunStatus | None:
    """Put the run back: its worker leaves in good order, so this does not count as an interruption."""
    step, _ = evaluations.kept_progress(session, held.run_id)
    return _put_back(session, held, "released", f"{cause}; resumes from step {step}", step=step)


def interrupt(session: Session, held: Claim, cause: str, traceback: str = "") -> RunStatus | None:
    """Put a run back whose process died; fail it if that keeps happening without new progress."""
    return _try_again(session, held, "interrupted", cause, traceback)


def node_fault(session: Session, held: Claim, cause: str, traceback: str = "") -> RunStatus | None:
    """Put a run back that met a fault of its worker's machine; fail it if it meets them wherever it goes."""
    run = runs.get(session, held.run_id)
    worker = worker_name(run.worker_id or "") if run else ""
    return _try_again(session, held, "node_fault", f"fault of the machine of {worker}: {cause}", traceback)


def _try_again(session: Session, held: Claim, kind: str, cause: str, traceback: str) -> RunStatus | None:
    """Put the run back, or fail it where `MAX_ATTEMPTS` in a row kept nothing new."""
    progress = list(evaluations.kept_progress(session, held.run_id))
    failed_attempts = 1 + _vain_attempts(session, held.run_id, progress)
    if failed_attempts >= MAX_ATTEMPTS:
        text = f"{cause}; gave up after {failed_attempts} attempts without progress past step {progress[0]}"
        return _end(session, held, RunStatus.FAILED, text, traceback)
    text = f"{cause}; resumes from step {progress[0]}"
    return _put_back(session, held, kind, text, progress=progress)


def reported(session: Session, held: Claim) -> str:
    """What the child itself said about its end (`report_error`); empty: nothing."""
    run = runs.get(session, held.run_id)
    return run.status_cause if run is not None and run.attempt == held.attempt and run.traceback else ""


def report_error(session: Session, held: Claim, cause: str, traceback: str) -> bool:
    """Keep a child's own account of its crash; its worker ends the run once the process is gone."""
    own = lease.of_run(held.run_id, held.attempt)
    return lease.write(session, own, status_cause=cause, traceback=traceback)


def put_back_lost(
    session: Session, is_dead: Callable[[str], bool] | None = None, count_lapsed: bool = True
) -> None:
    """Put back the runs whose lease has lapsed, and those of workers that are known to be dead.

    A worker knows it of the processes of its own host, so that nobody waits for their leases.
    """
    for run, how in lease.lost(session, Run, is_dead, count_lapsed):
        held, cause = Claim(run.id, run.attempt), f"worker {worker_name(run.worker_id or '')} {how}"
        log.info("Put back: %s", cause, extra={"run_id": held.run_id, "attempt": held.attempt})
        if interrupt(session, held, cause) is RunStatus.QUEUED:  # else it failed, or was cancelled
            alerts.tell(session, Event.LOST, held.run_id, f"{_sentence(cause)} The run is queued again.")


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _put_back(session: Session, held: Claim, kind: str, cause: str, **data: object) -> RunStatus | None:
    """running -> queued; what the user is cancelling becomes cancelled."""
    back = transition_run(
        session,
        held.run_id,
        (RunStatus.RUNNING,),
        RunStatus.QUEUED,
        cause,
        kind=kind,
        data={"attempt": held.attempt, **data},
        on_attempt=held.attempt,
        status_cause=cause,
        traceback="",
    )
    return RunStatus.QUEUED if back else cancelled(session, held)


def _end(
    session: Session, held: Claim, status: RunStatus, cause: str, traceback: str = ""
) -> RunStatus | None:
    """running -> `status`; a run that the user is cancelling becomes cancelled whatever its end was."""
    ended = run_end.end(
        session,
        held.run_id,
        (RunStatus.CANCELLING if status is RunStatus.CANCELLED else RunStatus.RUNNING,),
        status,
        cause or "All steps done.",
        data={"attempt": held.attempt},
        on_attempt=held.attempt,
        status_cause=cause,
        traceback=traceback,
    )
    if ended or status is RunStatus.CANCELLED:
        return status if ended else None
    return cancelled(session, held)


def _vain_attempts(session: Session, run_id: str, progress: list[int]) -> int:
    """How often in a row, since the run last ended, it was put back with this much done."""
    count = 0
    for event in journal.events_of_kinds(session, run_id, (*VAIN, *ENDS)):
        if event.kind not in VAIN or event.data.get("progress") != progress:
            break
        count += 1
    return count
