"""The queue at a glance: what runs, what waits and why, what ended badly, and who works."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from backend.db.repositories import queue_order
from backend.db.repositories import runs as rows
from backend.domain.run import RunStatus
from backend.services import workers
from backend.services.queue_order import WORDS
from backend.services.run_facts import Facts
from backend.services.run_view import RunView
from backend.services.workers import WorkerState

ENDED_SHOWN = 10  # newest failed or cancelled runs that can be tried again
ENDED_WITHIN = 24 * 3600.0  # seconds


@dataclass(frozen=True)
class WaitingRun:
    """A queued run at its place, 1 being next; `run.waiting_reason` says why it waits."""

    place: int
    priority: str  # high, normal, low
    run: RunView


@dataclass(frozen=True)
class Board:
    """The whole queue."""

    running: tuple[RunView, ...]
    waiting: tuple[WaitingRun, ...]
    ended: tuple[RunView, ...]  # failed or cancelled lately, newest first
    workers: tuple[WorkerState, ...]


def read(session: Session, now: float) -> Board:
    """The queue as it stands, the waiting runs in the order in which they will be taken."""
    found = rows.by_status(session, RunStatus.RUNNING, RunStatus.CANCELLING)
    trained = [run for run in found if run.origin == "training"]
    order = queue_order.queued(session)
    queued = {run.id: run for run in rows.by_status(session, RunStatus.QUEUED)}
    waiting = [queued[row.id] for row in order if row.id in queued]
    ended = rows.ended_since(session, now - ENDED_WITHIN, ENDED_SHOWN)
    facts = Facts(session, [*trained, *waiting, *ended], metrics=())
    return Board(
        running=tuple(facts.view(run) for run in trained),
        waiting=tuple(
            WaitingRun(place, WORDS[run.priority], facts.view(run)) for place, run in enumerate(waiting, 1)
        ),
        ended=tuple(facts.view(run) for run in ended),
        workers=tuple(workers.listed(session, now)),
    )
