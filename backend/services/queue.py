"""Who may work on which run: claim, lease, end, and the sweep that finds what was lost.

The database is the truth; a message to a worker is only a hint (docs/decisions/queue.md). Every change of
status is one conditional update and leaves an event.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.orm import Session

from backend.db.repositories import leases, queue_order, runs
from backend.db.tables import Run
from backend.domain.run import RunStatus
from backend.services import events, hypotheses, series, workers
from backend.services.workers import WorkerBeat, beat

__all__ = [
    "Claim",
    "WorkerBeat",
    "beat",
    "cancelled",
    "claim",
    "claim_next",
    "fail",
    "finish",
    "free_dead",
    "interrupt",
    "release",
    "renew",
    "report_error",
    "sweep",
]

LEASE = 60.0  # seconds a worker may be silent before its run is given to another
RESEND_AFTER = 20.0  # seconds before a queued run's message counts as lost
MOST_ATTEMPTS = 5  # interruptions without new progress after which a run fails
ENDS = (RunStatus.FINISHED, RunStatus.FAILED, RunStatus.CANCELLED)


@dataclass(frozen=True)
class Claim:
    """A worker's right to a run. `attempt` is the fencing token: only its holder may write."""

    run_id: str
    attempt: int
    worker_id: str


def claim(session: Session, run_id: str, worker_id: str, now: float) -> Claim | None:
    """Take a queued run; None if there is nothing to take (a duplicate message, another worker was first)."""
    attempt = leases.take(session, run_id, worker_id, now, now + LEASE)
    if attempt is None:
        return None
    step, _ = leases.kept_progress(session, run_id)
    where = f"goes on from step {step}" if step else "starts at step 0"
    text = f"Attempt {attempt} by {workers.spoken(worker_id)}: {where}."
    _note(session, run_id, "claimed", text, now, attempt=attempt, step=step)
    return Claim(run_id, attempt, worker_id)


def claim_next(session: Session, worker_id: str, now: float) -> Claim | None:
    """Take the run that stands first in the queue; None if none waits."""
    run_id = queue_order.next_id(session)
    return claim(session, run_id, worker_id, now) if run_id else None


def renew(session: Session, held: Claim, now: float) -> RunStatus | None:
    """Prolong the lease; running or cancelling (stop it), or None: another attempt has the run by now."""
    return leases.extend(session, held.run_id, held.attempt, now + LEASE)


def finish(session: Session, held: Claim, now: float) -> RunStatus | None:
    """The run did all it had to, or what its stop rule let it. Its status; None if the claim is lost."""
    ruling = hypotheses.ruling_of(session, held.run_id, held.attempt)
    return _end(session, held, RunStatus.FINISHED, ruling.text if ruling else "", now)


def fail(session: Session, held: Claim, cause: str, traceback: str, now: float) -> RunStatus | None:
    """The run cannot go on. What the child reported itself goes before `cause` and `traceback`."""
    run = runs.get(session, held.run_id)
    if run is not None and run.attempt == held.attempt and run.traceback:
        cause, traceback = run.status_cause, run.traceback
    return _end(session, held, RunStatus.FAILED, cause, now, traceback)


def cancelled(session: Session, held: Claim, now: float) -> RunStatus | None:
    """The user's cancel is carried out. Called only once no process of the run is left."""
    return _end(session, held, RunStatus.CANCELLED, "cancelled by the user", now)


def release(session: Session, held: Claim, cause: str, now: float) -> RunStatus | None:
    """Put the run back: its worker leaves in good order, so this does not count as an interruption."""
    step, _ = leases.kept_progress(session, held.run_id)
    text = f"{cause}; goes on from step {step}"
    if not _put_back(session, held.run_id, held.attempt, text):
        return _cancel_instead(session, held.run_id, held.attempt, now)
    _note(session, held.run_id, "released", text, now, attempt=held.attempt, step=step)
    return RunStatus.QUEUED


def interrupt(session: Session, held: Claim, cause: str, now: float, traceback: str = "") -> RunStatus | None:
    """Put a run back whose process died; fail it if that keeps happening without new progress."""
    progress = list(leases.kept_progress(session, held.run_id))
    fruitless = 1 + _interruptions_at(session, held.run_id, progress)
    if fruitless >= MOST_ATTEMPTS:
        text = f"{cause}; given up after {fruitless} attempts that came no further than step {progress[0]}"
        return _end(session, held, RunStatus.FAILED, text, now, traceback)
    text = f"{cause}; goes on from step {progress[0]}"
    if not _put_back(session, held.run_id, held.attempt, text):
        return _cancel_instead(session, held.run_id, held.attempt, now)
    _note(session, held.run_id, "interrupted", text, now, attempt=held.attempt, progress=progress)
    return RunStatus.QUEUED


def report_error(session: Session, run_id: str, attempt: int, cause: str, traceback: str) -> bool:
    """Keep a child's own account of its crash; its worker ends the run once the process is gone."""
    return leases.change_held(session, run_id, attempt, status_cause=cause, traceback=traceback)


def sweep(session: Session, now: float, resend_after: float = RESEND_AFTER) -> list[str]:
    """Put runs with a lapsed lease back, and name the queued runs whose message should be sent again.

    Only as many as there are idle workers: for a busy worker a second message would only pile up.
    """
    for run in leases.lapsed(session, now):
        cause = f"worker {workers.spoken(run.worker_id or '')} has not answered for {LEASE:.0f} s"
        interrupt(session, _claim_of(run), cause, now)
    waiting = leases.to_send(session, now - resend_after, limit=workers.idle(session, now))
    for run in waiting:
        run.dispatched_at = now
    session.flush()
    return [run.id for run in waiting]


def free_dead(session: Session, is_dead: Callable[[str], bool], now: float) -> list[str]:
    """Put back at once what workers that are known to be dead still hold; the ids of those runs.

    A worker calls it when it starts, for the processes of its own host, so that nobody waits for a lease.
    """
    lost = [run for run in leases.held(session) if run.worker_id and is_dead(run.worker_id)]
    for run in lost:
        interrupt(session, _claim_of(run), f"worker {workers.spoken(run.worker_id or '')} died", now)
    workers.forget_dead(session, is_dead)
    return [run.id for run in lost]


def _end(
    session: Session, held: Claim, status: RunStatus, cause: str, now: float, traceback: str = ""
) -> RunStatus | None:
    """running -> `status`; a run that the user is cancelling becomes cancelled whatever its end was."""
    before = RunStatus.CANCELLING if status is RunStatus.CANCELLED else RunStatus.RUNNING
    values = {"status_cause": cause, "traceback": traceback, "finished_at": now, "seconds_left": None}
    ended = leases.change_held(
        session,
        held.run_id,
        held.attempt,
        from_=(before,),
        status=status,
        lease_until=None,
        cancel_requested=False,
        **values,
    )
    if ended:
        series.compact(session, held.run_id)
        hypotheses.settle(session, held.run_id)
        _note(session, held.run_id, status.value, cause or "All steps done.", now, attempt=held.attempt)
        return status
    if status is RunStatus.CANCELLED:
        return None
    return _cancel_instead(session, held.run_id, held.attempt, now)


def _cancel_instead(session: Session, run_id: str, attempt: int, now: float) -> RunStatus | None:
    return cancelled(session, Claim(run_id, attempt, ""), now)


def _put_back(session: Session, run_id: str, attempt: int, cause: str) -> bool:
    return leases.change_held(
        session,
        run_id,
        attempt,
        from_=(RunStatus.RUNNING,),
        status=RunStatus.QUEUED,
        status_cause=cause,
        lease_until=None,
        worker_id=None,
        dispatched_at=None,
        seconds_left=None,
    )


def _interruptions_at(session: Session, run_id: str, progress: list[int]) -> int:
    """How often in a row, since the run last ended, it was interrupted with this much done."""
    count = 0
    for event in leases.events_of_kinds(session, run_id, ("interrupted", *ENDS)):
        if event.kind != "interrupted" or event.data.get("progress") != progress:
            break
        count += 1
    return count


def _claim_of(run: Run) -> Claim:
    return Claim(run.id, run.attempt, run.worker_id or "")


def _note(session: Session, run_id: str, kind: str, text: str, now: float, **data: object) -> None:
    events.add(session, run_id, kind, text, data, wall_time=now)
