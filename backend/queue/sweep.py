"""What web server and workers do every few seconds: put back what was lost, find silent scripts, and find
what should be sent."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row
from sqlalchemy.orm import Session

from backend.db import clock
from backend.evaluation import jobs as evaluation_queue
from backend.lifecycle import heartbeat
from backend.queue import claims as queue
from backend.queue import dispatch
from backend.runs import order_queries as queue_order
from backend.runs.tables import Run
from backend.scores import job_queries as evaluation_jobs
from backend.scores.tables import EvaluationJob
from backend.sequential import service as sequential
from backend.web import notify
from backend.workers import service as workers
from backend.workers.capability import able, needs
from backend.workers.service import WorkerState

log = logging.getLogger(__name__)
RENEWED_WITHIN = 20.0  # seconds after an outage: the longest wait for a database that hangs, and some
RESEND_AFTER = 20.0  # seconds before a queued run's message counts as lost


@dataclass(frozen=True)
class Unsent:
    """Work that workers are to hear of once the transaction is committed, and runs whose pages changed."""

    runs: list[str]
    evaluations: list[tuple[int, int]]  # evaluation, how many workers
    lost: list[str] = field(default_factory=list)  # external runs whose script fell silent

    def send(self) -> None:
        """Send all of it, up to what the broker does not take: the next sweep sends the rest."""
        for run_id in self.lost:
            log.info("Lost: its script is silent: %s", run_id, extra={"run_id": run_id})
        if changed := [*self.runs, *self.lost]:
            notify.changed(*changed)
        dispatch.send_all(self.runs)
        for evaluation_id, most in self.evaluations:
            dispatch.send_evaluation(evaluation_id, most)


class Outage:
    """What a process knows of the database's troubles: right after one, a lapsed lease means nothing.

    Nobody could renew meanwhile. Whoever lives does so within a second of its own next try; a sweep that came
    first would take a run from a training that had waited for the database. A process that has just started
    cannot know of what was before, and so takes it for an outage.
    """

    def __init__(self) -> None:
        self.note()

    def note(self) -> None:
        """The database cannot be used at this moment."""
        self._until = time.monotonic() + RENEWED_WITHIN

    @property
    def is_over(self) -> bool:
        """Whether everybody has had the time to renew since."""
        return time.monotonic() > self._until


def sweep(
    session: Session,
    is_dead: Callable[[str], bool] | None = None,
    resend_after: float = RESEND_AFTER,
    count_lapsed: bool = True,
) -> Unsent:
    """Put back what has a lapsed lease or a worker that `is_dead`, mark external runs lost whose script is
    silent, and name what should be sent (again).

    Without `count_lapsed` neither a lapsed lease nor silence counts: nobody could renew or be heard.

    Only as much as there are idle workers: for a busy worker a second message would only pile up.
    """
    evaluation_queue.put_back_lost(session, is_dead, count_lapsed)
    queue.put_back_lost(session, is_dead, count_lapsed)
    lost = heartbeat.mark_lost(session) if count_lapsed else []
    if is_dead:
        workers.forget_dead(session, is_dead)
    unsent = to_send(session, workers.idle(session), resend_after)
    return Unsent(unsent.runs, [*unsent.evaluations, *sequential.advance(session)], lost)


def to_send(session: Session, idle: Sequence[WorkerState], resend_after: float = RESEND_AFTER) -> Unsent:
    """Runs and evaluations, runs first, whose messages count as lost, one for each of the idle workers that
    may take it; now they count as sent."""
    suited = _for_each(idle, queue_order.asked(session, resend_after)) if idle else []
    runs = queue_order.lock(session, suited, resend_after) if suited else []
    jobs = evaluation_jobs.to_send(session, resend_after, len(idle) - len(runs))
    sent: Sequence[Run | EvaluationJob] = (*runs, *jobs)
    for row in sent:
        row.dispatched_at = clock.now()
    session.flush()
    return Unsent([run.id for run in runs], [(job.evaluation_id, 1) for job in jobs])


def for_another(session: Session, worker_id: str) -> str | None:
    """A waiting run that an idle worker besides `worker_id` may take; None: there is none."""
    others = [worker for worker in workers.idle(session) if worker.id != worker_id]
    return next(iter(_for_each(others, queue_order.asked(session))), None) if others else None


def _for_each(idle: Sequence[WorkerState], asked: Iterable[Row[str, Any, Any]]) -> list[str]:
    """Ids of runs, in their order, each for one of the idle workers that has what it asks for."""
    free, found = list(idle), []
    for run_id, device, placement in asked:
        taker = next(iter(able(needs(device, placement), free)), None)
        if taker is not None:
            free.remove(taker)
            found.append(run_id)
        if not free:
            break
    return found
