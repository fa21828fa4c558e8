"""One piece of work from its message to its end: claim, child process, watch, and what its end means."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from backend.db.session import session_scope
from backend.evaluation import jobs as evaluation_queue
from backend.kit.errors import Unavailable
from backend.kit.retry import retry
from backend.queue import claims as queue
from backend.runs.status import RunStatus
from backend.web import notify
from worker.kit.recorder import LostRun
from worker.recording.replay import replay
from worker.service.heartbeat import Heartbeat
from worker.service.jobs import AnyWork, evaluation_work, run_work
from worker.service.supervision import Ending, Order, supervise

POLL_INTERVAL = 1.0  # seconds between two looks at the work's row, each of which renews the lease

Conclusion = Callable[[Session], RunStatus | None]  # writes how it ended; None if it is another's by now
Claiming = Callable[[Session], AnyWork | None]

log = logging.getLogger(__name__)


class Executor:
    """Carries runs and evaluations through their child processes, one at a time.

    `leaving` asks the child to keep what it has and leave; `hurry` does not wait for that.
    """

    def __init__(self, engine: Engine, artifacts: Path, worker_id: str) -> None:
        self.leaving = threading.Event()
        self.hurry = threading.Event()
        self._engine = engine
        self._artifacts = artifacts
        self._worker_id = worker_id

    def execute(self, heartbeat: Heartbeat) -> None:
        """Carry the first queued run to its end, or nothing: a message says that one waits, not which."""

        def claim(session: Session) -> AnyWork | None:
            claimed = queue.claim(session, None, self._worker_id)
            return run_work(claimed) if claimed else None

        self._carry_out("the next run", claim, heartbeat)

    def execute_evaluation(self, evaluation_id: int, heartbeat: Heartbeat) -> None:
        """Take part in an evaluation until there is nothing left to take, or do nothing."""

        def claim(session: Session) -> AnyWork | None:
            share = evaluation_queue.claim(session, evaluation_id, self._worker_id)
            return evaluation_work(share) if share else None

        self._carry_out(f"evaluation {evaluation_id}", claim, heartbeat)

    def renew(self, work: AnyWork) -> RunStatus | None:
        """Prolong the lease; the work's status, or None when it is another's."""
        with session_scope(self._engine) as session:
            return work.queue.renew(session, work.held)

    def _carry_out(self, name: str, claiming: Claiming, heartbeat: Heartbeat) -> None:
        work = self._claim(name, claiming)
        if work is None:
            return
        heartbeat.works_on(work.held.run_id)
        _announce(work.held.run_id)
        try:
            self._conclude(work, self._outcome(work))
        finally:
            if not self.leaving.is_set():
                heartbeat.works_on(None)
            _announce(work.held.run_id)

    def _claim(self, name: str, claiming: Claiming) -> AnyWork | None:
        if self.leaving.is_set():
            return None
        try:
            with session_scope(self._engine) as session:
                return claiming(session)
        except Unavailable as error:
            log.warning("Not claimed, it stays queued: %s: %s", name, error)
            return None

    def _outcome(self, work: AnyWork) -> Conclusion:
        """Let the child run to its end; what its end means for the work."""
        try:
            ending = supervise(work.command, self._artifacts / work.console, _Watch(self, work).order)
        except OSError as error:
            cause = f"its process could not be started: {error}"
            return lambda session: work.queue.fail(session, work.held, cause, "")
        return lambda session: self._write_end(session, work, ending)

    def _conclude(self, work: AnyWork, write: Conclusion) -> None:
        """Write down how it ended, as soon as the database takes it."""

        def attempt() -> None:
            self._replay(work)
            with session_scope(self._engine) as session:
                status = write(session)
            log.info("%s: %s", work.name.capitalize(), status or "lost to another")

        def wait(error: Unavailable, pause: float) -> bool:
            log.warning("Its end is not written yet: %s: %s", work.name, error)
            return not self.leaving.wait(pause)

        with suppress(Unavailable):  # leaving: the lease is freed by the next worker to start, or lapses
            retry(attempt, Unavailable, wait)

    def _replay(self, work: AnyWork) -> None:
        """Store what a killed child left in its journal: nobody may come after it who would."""
        if isinstance(work.held, queue.Claim):
            with suppress(LostRun):  # it is the next attempt's, which replays it first
                replay(self._engine, self._artifacts, work.held.run_id, work.held.attempt)

    def _write_end(self, session: Session, work: AnyWork, ending: Ending) -> RunStatus | None:
        """Every branch makes work that the user is cancelling cancelled: its process is gone."""
        if ending.status == 0:
            return work.queue.finish(session, work.held)
        if ending.stopped:
            why = "the worker was stopped" if self.leaving.is_set() else "stop requested"
            return work.queue.release(session, work.held, why)
        if ending.status < 0:
            return work.queue.interrupt(session, work.held, ending.cause, ending.tail)
        return work.queue.fail(session, work.held, ending.cause, ending.tail)


class _Watch:
    """What the child of one piece of work should do, asked several times a second."""

    def __init__(self, executor: Executor, work: AnyWork) -> None:
        self._executor = executor
        self._work = work
        self._status: RunStatus | None = RunStatus.RUNNING
        self._looked_at = 0.0

    def order(self) -> Order:
        if self._executor.hurry.is_set():
            return Order.KILL
        if self._executor.leaving.is_set():
            return Order.STOP
        self._look()
        if self._status is None:
            return Order.KILL
        return Order.STOP if self._status is RunStatus.CANCELLING else Order.GO_ON

    def _look(self) -> None:
        """Renew the lease and learn the status; a database that is away changes nothing."""
        if time.monotonic() - self._looked_at < POLL_INTERVAL:
            return
        try:
            self._status = self._executor.renew(self._work)
        except Unavailable as error:
            log.warning("The lease is not renewed: %s: %s", self._work.name, error)
        self._looked_at = time.monotonic()


def _announce(run_id: str) -> None:
    notify.run_changed(run_id)
    notify.runs_changed()
