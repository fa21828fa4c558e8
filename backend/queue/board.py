"""The queue at a glance: what runs, what waits and why, what ended badly, and who works."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy.orm import Session

from backend.db import clock
from backend.evaluation import views as evaluation_view
from backend.evaluation.views import EvaluationView
from backend.queue.order import WORDS
from backend.run_view.facts import Facts
from backend.run_view.views import RunView
from backend.runs import order_queries as queue_order
from backend.runs import queries as rows
from backend.runs.status import RunStatus
from backend.scores import job_queries as evaluation_jobs
from backend.workers import service as workers
from backend.workers.service import WorkerState

ENDED_SHOWN = 10  # newest failed or cancelled ones of a kind that can be tried again
ENDED_WITHIN = 24 * 3600.0  # seconds


@dataclass(frozen=True)
class WaitingRun:
    """A queued run at its place, 1 being next; `run.waiting_reasons` say why it waits."""

    place: int
    priority: str  # high, normal, low
    run: RunView


@dataclass(frozen=True)
class EvaluationBoard:
    """Evaluation jobs; `waiting_reasons` say why one waits, `compute.workers` who shares it."""

    running: tuple[EvaluationView, ...]
    waiting: tuple[EvaluationView, ...]  # oldest first, as workers take them
    ended: tuple[EvaluationView, ...]  # failed or cancelled lately, newest first

    @property
    def all(self) -> tuple[EvaluationView, ...]:
        return (*self.running, *self.waiting, *self.ended)

    @property
    def by_worker(self) -> Mapping[str, EvaluationView]:
        """Worker id -> what it is evaluating now."""
        return {
            share.worker_id: view for view in self.running for share in view.compute.workers if share.active
        }


@dataclass(frozen=True)
class Board:
    """The whole queue."""

    running: tuple[RunView, ...]
    waiting: tuple[WaitingRun, ...]
    ended: tuple[RunView, ...]  # failed or cancelled lately, newest first
    workers: tuple[WorkerState, ...]
    evaluations: EvaluationBoard


def read(session: Session) -> Board:
    """The queue as it stands, the waiting runs in the order in which they will be taken."""
    now = clock.read(session)
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
        workers=tuple(workers.listed(session)),
        evaluations=_evaluations(session, now),
    )


def _evaluations(session: Session, now: float) -> EvaluationBoard:
    running = evaluation_jobs.by_status(session, RunStatus.RUNNING, RunStatus.CANCELLING)
    waiting = evaluation_jobs.by_status(session, RunStatus.QUEUED)
    ended = evaluation_jobs.ended_since(session, now - ENDED_WITHIN, ENDED_SHOWN)
    kinds = (tuple(evaluation_view.views_of(session, each)) for each in (running, waiting, ended))
    return EvaluationBoard(*kinds)
