"""One run from its message to its end: claim, child process, watch, and what its end means."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from backend.db.session import session_scope
from backend.domain.errors import Unavailable
from backend.domain.run import RunStatus
from backend.services import notify, queue
from backend.services.queue import Claim
from worker.heartbeat import Heartbeat
from worker.supervise import Ending, Order, python_module, supervise

LOOK_EVERY = 1.0  # seconds between two looks at the run's row, each of which renews the lease
CONSOLE = "console.txt"  # what the child's process printed, in the run's folder

Conclusion = Callable[[Session], RunStatus | None]  # writes how a run ended; None if the claim is lost

log = logging.getLogger(__name__)


def child_command(claim: Claim) -> list[str]:
    """What runs a claimed run."""
    return python_module("worker.run", claim.run_id, str(claim.attempt))


class Executor:
    """Carries runs through their child processes, one at a time.

    `leaving` asks the child to write a checkpoint and leave; `hurry` does not wait for that.
    """

    def __init__(
        self,
        engine: Engine,
        artifacts: Path,
        worker_id: str,
        command: Callable[[Claim], list[str]] = child_command,
    ) -> None:
        self.leaving = threading.Event()
        self.hurry = threading.Event()
        self._engine = engine
        self._artifacts = artifacts
        self._worker_id = worker_id
        self._command = command

    def execute(self, heartbeat: Heartbeat) -> None:
        """Run the first queued run to its end, or do nothing: a message says that one waits, not which."""
        claim = self._claim()
        if claim is None:
            return
        run_id = claim.run_id
        heartbeat.works_on(run_id)
        _announce(run_id)
        try:
            self._conclude(claim, self._outcome(claim))
        finally:
            if not self.leaving.is_set():
                heartbeat.works_on(None)
            _announce(run_id)

    def _outcome(self, claim: Claim) -> Conclusion:
        """Let the child run to its end; what its end means for the run."""
        console = self._artifacts / claim.run_id / CONSOLE
        try:
            ending = supervise(self._command(claim), console, _Watch(self, claim).order)
        except OSError as error:
            cause = f"the training process could not be started: {error}"
            return lambda session: queue.fail(session, claim, cause, "", time.time())
        return lambda session: self._write_end(session, claim, ending)

    def _claim(self) -> Claim | None:
        if self.leaving.is_set():
            return None
        try:
            with session_scope(self._engine) as session:
                return queue.claim_next(session, self._worker_id, time.time())
        except Unavailable as error:
            log.warning("No run claimed, what is queued stays so: %s", error)
            return None

    def renew(self, claim: Claim) -> RunStatus | None:
        """Prolong the lease; the run's status, or None when another attempt has it."""
        with session_scope(self._engine) as session:
            return queue.renew(session, claim, time.time())

    def _conclude(self, claim: Claim, write: Conclusion) -> None:
        """Write down how the run ended, as soon as the database takes it."""
        pause = 0.25
        while True:
            try:
                with session_scope(self._engine) as session:
                    status = write(session)
            except Unavailable as error:
                log.warning("The end of run %s is not written yet: %s", claim.run_id, error)
            else:
                log.info("Run %s, attempt %d: %s", claim.run_id, claim.attempt, status or "lost to another")
                return
            if self.leaving.wait(pause):
                return  # the lease is freed by the next worker to start, or lapses
            pause = min(2 * pause, 10.0)

    def _write_end(self, session: Session, claim: Claim, ending: Ending) -> RunStatus | None:
        """Every branch makes a run that the user is cancelling cancelled: its process is gone."""
        now = time.time()
        if ending.status == 0:
            return queue.finish(session, claim, now)
        if ending.stopped:
            why = "the worker was stopped" if self.leaving.is_set() else "the training was told to stop"
            return queue.release(session, claim, why, now)
        if ending.status < 0:
            return queue.interrupt(session, claim, ending.cause, now, ending.tail)
        return queue.fail(session, claim, ending.cause, ending.tail, now)


class _Watch:
    """What the child of one claim should do, asked several times a second."""

    def __init__(self, executor: Executor, claim: Claim) -> None:
        self._executor = executor
        self._claim = claim
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
        """Renew the lease and learn the run's status; a database that is away changes nothing."""
        if time.monotonic() - self._looked_at < LOOK_EVERY:
            return
        try:
            self._status = self._executor.renew(self._claim)
        except Unavailable as error:
            log.warning("The lease of run %s is not renewed: %s", self._claim.run_id, error)
        self._looked_at = time.monotonic()


def _announce(run_id: str) -> None:
    notify.run_changed(run_id)
    notify.runs_changed()
