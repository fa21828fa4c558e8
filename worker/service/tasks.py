"""One piece of work from its message to its end: claim, child process, watch, and what its end means."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from backend.artifacts import service as objects
from backend.artifacts.bucket import StoreAway
from backend.db.session import reading_scope, session_scope
from backend.evaluation import jobs as evaluation_queue
from backend.kit import service_log
from backend.kit.errors import Unavailable
from backend.kit.retry import pause_after, retry
from backend.queue import claims as queue
from backend.queue import dispatch
from backend.queue import sweep as queue_sweep
from backend.runs import events
from backend.runs.status import RunStatus
from backend.settings import Settings
from backend.web import notify
from worker.kit.recorder import LostRun
from worker.recording.replay import replay
from worker.service.faults import NODE_FAULT
from worker.service.fetching import sweep_replaced
from worker.service.fitness import Trouble
from worker.service.heartbeat import Heartbeat
from worker.service.jobs import AnyWork, evaluation_work, run_work
from worker.service.node import Node
from worker.service.supervision import Ending, Order, supervise

PROVE_INTERVAL = 5.0  # seconds between two looks whether an unfit machine is fit again
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0  # seconds before a message that is for others is sent on
POLL_INTERVAL = 1.0  # seconds between two looks at the work's row, each of which renews the lease

Conclusion = Callable[[Session], RunStatus | None]  # writes how it ended; None if it is another's by now
Claiming = Callable[[Session], AnyWork | None]

log = logging.getLogger(__name__)


class Executor:
    """Carries runs and evaluations through their child processes, one at a time.

    `leaving` asks the child to keep what it has and leave; `hurry` does not wait for that. `why_leaving` is
    what the run then says.
    """

    def __init__(self, engine: Engine, settings: Settings, worker_id: str, node: Node) -> None:
        self.leaving = threading.Event()
        self.hurry = threading.Event()
        self.why_leaving = "the worker was stopped"
        self._engine = engine
        self._artifacts = settings.artifacts
        self._settings = settings
        self._worker_id = worker_id
        self._node = node
        self._passed_on = 0  # messages in a row that were for other workers

    def execute(self, run_id: str, heartbeat: Heartbeat) -> None:
        """Carry the first queued run to its end, or nothing: a message says that one waits, not which."""

        def claim(session: Session) -> AnyWork | None:
            claimed = queue.claim(session, None, self._worker_id, self._node.offer)
            return run_work(claimed, events.trace_of(session, claimed.run_id)) if claimed else None

        if self._is_fit(heartbeat, lambda: dispatch.send(run_id)):
            if self._carry_out("the next run", claim, heartbeat):
                self._passed_on = 0
            else:
                self._leave_to_another()

    def execute_evaluation(self, evaluation_id: int, heartbeat: Heartbeat) -> None:
        """Take part in an evaluation until there is nothing left to take, or do nothing."""

        def claim(session: Session) -> AnyWork | None:
            share = evaluation_queue.claim(session, evaluation_id, self._worker_id)
            if share is None:
                return None
            return evaluation_work(share, events.trace_of_evaluation(session, share.run_id, evaluation_id))

        if self._is_fit(heartbeat, lambda: dispatch.send_evaluation(evaluation_id)):
            self._carry_out(f"evaluation {evaluation_id}", claim, heartbeat)

    def renew(self, work: AnyWork) -> RunStatus | None:
        """Prolong the lease; the work's status, or None when it is another's."""
        with session_scope(self._engine) as session:
            return work.queue.renew(session, work.held)

    def _is_fit(self, heartbeat: Heartbeat, pass_on: Callable[[], object]) -> bool:
        """Prove this machine fit before a claim; while it is not, take nothing and wait. False: leaving.

        The message in hand goes to another worker. While this one waits in here it takes no further ones.
        """
        try:
            if self._node.prove() is None:
                return True
            heartbeat.report()
            pass_on()
            while not self.leaving.wait(PROVE_INTERVAL):
                if self._node.prove() is None:
                    heartbeat.report()
                    return True
        except Unavailable as error:
            log.warning("Nothing is claimed: %s", error)
        return False

    def _leave_to_another(self) -> None:
        """Send the message on where an idle worker has what this one lacks; slower and slower, while that one
        does not listen."""
        with suppress(Unavailable):  # the next sweep sends it
            with reading_scope(self._engine) as session:
                waiting = queue_sweep.for_another(session, self._worker_id)
            self._passed_on = self._passed_on + 1 if waiting else 0
            if waiting:
                self.leaving.wait(pause_after(self._passed_on, FIRST_PAUSE, LONGEST_PAUSE))
                dispatch.send(waiting)

    def _carry_out(self, name: str, claiming: Claiming, heartbeat: Heartbeat) -> bool:
        """Claim and work off; whether there was something to take."""
        work = self._claim(name, claiming)
        if work is None:
            return False
        heartbeat.works_on(work.held.run_id)
        _announce(work.held.run_id)
        try:
            with service_log.about(**work.about):
                log.info("%s: claimed", work.name.capitalize())
                self._conclude(work, self._outcome(work))
        finally:
            if self.leaving.is_set():
                heartbeat.hand_over()
            else:
                heartbeat.works_on(None)
            _announce(work.held.run_id)
        return True

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
            return self._node_fault(work, cause, "")
        if ending.status == 0:
            self._node.exonerate()
        elif ending.status == NODE_FAULT or (ending.status > 0 and not ending.stopped and self._trouble()):
            return self._node_fault(work, ending.cause, ending.tail)
        return lambda session: self._write_end(session, work, ending)

    def _node_fault(self, work: AnyWork, cause: str, traceback: str) -> Conclusion:
        """The work goes back; this machine rests if no check sees what is wrong with it."""
        trouble = self._trouble()
        blamed = False

        def write(session: Session) -> RunStatus | None:
            nonlocal blamed
            said = work.queue.reported(session, work.held) or cause
            if trouble is None and not blamed:  # once, however often this is tried
                self._node.blame(said)
                blamed = True
            return work.queue.node_fault(session, work.held, trouble.cause if trouble else said, traceback)

        return write

    def _trouble(self) -> Trouble | None:
        """What the checks find now; None where they cannot ask the database."""
        with suppress(Unavailable):
            return self._node.prove()
        return None

    def _conclude(self, work: AnyWork, write: Conclusion) -> None:
        """Write down how it ended, as soon as the database takes it."""

        def attempt() -> None:
            self._replay(work)
            with session_scope(self._engine) as session:
                status = write(session)
            if status is None and isinstance(work.held, queue.Claim):
                sweep_replaced(self._engine, self._settings, work.held.run_id, work.held.attempt)
            log.info("%s: %s", work.name.capitalize(), status or "lost to another")

        def wait(error: Unavailable, pause: float) -> bool:
            log.warning("Not concluded yet: %s: %s", work.name, error)
            return not self.leaving.wait(pause)

        with suppress(Unavailable):  # leaving: the lease is freed by the next worker to start, or lapses
            retry(attempt, Unavailable, wait)

    def _replay(self, work: AnyWork) -> None:
        """Store what a killed child left in its journal: nobody may come after it who would."""
        if isinstance(work.held, queue.Claim):
            try:
                store = objects.of(self._settings)
                replay(self._engine, self._artifacts, work.held.run_id, work.held.attempt, store)
            except LostRun:
                pass  # it is the next attempt's, which replays it first
            except StoreAway as error:
                log.warning(
                    "A checkpoint of run %s will be uploaded by its next attempt on this machine: %s",
                    work.held.run_id,
                    error,
                )
            except OSError as error:  # how the run ended must be written although its folder is broken
                log.warning("The journal of run %s stays for the next attempt: %s", work.held.run_id, error)

    def _write_end(self, session: Session, work: AnyWork, ending: Ending) -> RunStatus | None:
        """Every branch makes work that the user is cancelling cancelled: its process is gone."""
        if ending.status == 0:
            return work.queue.finish(session, work.held)
        if ending.stopped:
            why = self.why_leaving if self.leaving.is_set() else "stop requested"
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
