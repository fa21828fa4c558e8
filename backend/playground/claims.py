"""Plays as workers see them: the one that has waited longest, its lease, its answer. Nothing here commits.

All changes of a play's status are here. Each is one conditional UPDATE: who comes too late changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlalchemy import Update, update
from sqlalchemy.orm import Session

from backend.db import clock
from backend.domain.play import (
    AnyRequest,
    Neighbours,
    PlayResult,
    pack_result,
    stored_request,
    unpack_result,
)
from backend.playground import queries as rows
from backend.playground.tables import Play
from backend.runs.status import RunStatus
from backend.workers import lease

MAX_ATTEMPTS = 2  # a task that ends the process of two workers is not tried on a third
_TRIED = 5  # that one claim looks at, while others take them


@dataclass(frozen=True)
class Claim:
    """A worker's right to answer a play."""

    play_id: str
    attempt: int


@dataclass(frozen=True)
class Asked:
    """What is to be answered."""

    request: AnyRequest
    run_id: str
    step: int
    sha256: str


def is_any_queued(session: Session) -> bool:
    """Whether there is something to claim: asked without waiting for those who write."""
    return bool(rows.first_queued(session, 1))


def claim(session: Session, worker_id: str) -> Claim | None:
    """The play that has waited longest; None where none waits."""
    for play_id in rows.first_queued(session, _TRIED):
        taken = update(Play).where(Play.id == play_id, Play.status == RunStatus.QUEUED)
        changes = {
            "status": RunStatus.RUNNING,
            "attempt": Play.attempt + 1,
            "started_at": clock.now(),
            **lease.granted(worker_id),
        }
        if lease.write(session, taken, **changes):
            session.flush()
            play = rows.get(session, play_id)
            assert play is not None
            return Claim(play_id, play.attempt)
    return None


def asked(session: Session, held: Claim) -> Asked | None:
    """What it asks; None where it is not held any more."""
    play = rows.get(session, held.play_id)
    if play is None or play.attempt != held.attempt or play.status != RunStatus.RUNNING:
        return None
    return Asked(stored_request(play.request), play.run_id, play.step, play.sha256)


def renew(session: Session, held: Claim) -> bool:
    """Prolong the lease; False: it was cancelled, or is another's."""
    return lease.renew(session, _own(held))


def finish(session: Session, held: Claim, result: PlayResult) -> bool:
    """Store the answer; False as for `renew`."""
    return _end(session, held, RunStatus.FINISHED, "", pack_result(result))


def fail(session: Session, held: Claim, cause: str) -> bool:
    """It cannot be answered."""
    return _end(session, held, RunStatus.FAILED, cause)


def release(session: Session, held: Claim, cause: str) -> bool:
    """It waits again: its worker leaves."""
    values = {
        "status": RunStatus.QUEUED,
        "status_cause": cause,
        "attempt": Play.attempt - 1,
        "worker_id": None,
    }
    return lease.write(session, _own(held), **values, lease_until=None)


def interrupt(session: Session, held: Claim, cause: str) -> bool:
    """Its process died: it waits again, or fails after so many."""
    if held.attempt >= MAX_ATTEMPTS:
        return fail(session, held, cause)
    values = {"status": RunStatus.QUEUED, "status_cause": cause, "worker_id": None}
    return lease.write(session, _own(held), **values, lease_until=None)


def cancel(session: Session, play_id: str) -> bool:
    """Nobody waits for it any more; whether it was still to be answered. Its worker sees that at its next
    renewal."""
    open_ = update(Play).where(Play.id == play_id, Play.status.in_(rows.WAITING))
    values = {"status": RunStatus.CANCELLED, "finished_at": clock.now(), "worker_id": None}
    return lease.write(session, open_, **values, lease_until=None)


def add_neighbours(session: Session, play_id: str, found: Neighbours) -> None:
    """Which training tasks the model takes for like it: compared after the answer was stored."""
    play = rows.get(session, play_id)
    if play is not None and play.result is not None:
        play.result = pack_result(replace(unpack_result(play.result), neighbours=found))
        session.flush()


def is_any_held(session: Session) -> bool:
    """Whether a worker has one, which it may have lost: asked without waiting for those who write."""
    return rows.is_any_held(session)


def put_back_lost(
    session: Session, is_dead: Callable[[str], bool] | None = None, count_lapsed: bool = True
) -> list[str]:
    """Let those wait again whose worker is dead or silent; their ids."""
    back: list[str] = []
    for play, what in lease.lost(session, Play, is_dead, count_lapsed):
        interrupt(session, Claim(play.id, play.attempt), f"its worker {what}")
        back.append(play.id)
    return back


def _own(held: Claim) -> Update:
    """The row while this attempt, its fencing token, has it."""
    return update(Play).where(Play.id == held.play_id, Play.attempt == held.attempt, lease.is_held(Play))


def _end(session: Session, held: Claim, status: RunStatus, cause: str, result: bytes | None = None) -> bool:
    values = {"status": status, "status_cause": cause, "finished_at": clock.now(), "result": result}
    return lease.write(session, _own(held), **values, lease_until=None)
