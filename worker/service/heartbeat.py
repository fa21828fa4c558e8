"""A worker's sign of life, every ten seconds, idle or busy; and the sweep that comes with it."""

from __future__ import annotations

import logging
import os
import threading
import time
from contextlib import suppress

from sqlalchemy import Engine

from backend.db.session import session_scope
from backend.kit.errors import Unavailable
from backend.queue import sweep as queue_sweep
from backend.queue.sweep import RESEND_AFTER
from backend.web import notify
from backend.workers import service as workers
from worker.service import machine
from worker.service.node import Node
from worker.service.use import DeviceUse

EVERY = 10.0  # seconds

log = logging.getLogger(__name__)


class Heartbeat:
    """A thread that reports this worker and sweeps the queue until `stop`."""

    def __init__(self, engine: Engine, node: Node) -> None:
        self._engine = engine
        self._node = node
        self._started_at = time.time()
        self._current_run_id: str | None = None
        self._outage = queue_sweep.Outage()
        self._use = DeviceUse(node.device.kind)
        self._one_at_a_time = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._live, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Report now, and again and again until `stop`."""
        self._thread.start()

    def stop(self) -> None:
        """This worker leaves in good order and is no longer listed."""
        self._stopping.set()
        self._thread.join(timeout=EVERY)
        # Without the database it is listed as offline; tables of another version may refuse anything.
        with suppress(Unavailable if self._node.schema_fits else Exception):
            self._sign_off()
        notify.runs_changed()

    def _sign_off(self) -> None:
        with session_scope(self._engine) as session:
            workers.sign_off(session, machine.worker_id())

    @property
    def is_busy(self) -> bool:
        """Whether this worker has a run or an evaluation in hand."""
        return self._current_run_id is not None

    def works_on(self, run_id: str | None) -> None:
        """Report at once that this worker took a run, or is idle again; idle, it asks for the next."""
        self._current_run_id = run_id
        if run_id:
            self._once(prove=False)  # it was just proven fit for it
        else:  # a worker that may not take it can have had the message of the run that this one may take
            self._once(resend_after=0.0)

    def report(self) -> None:
        """Say now whether this worker is fit."""
        self._once()

    def hand_over(self) -> None:
        """Send what this worker put back to whoever is idle: it leaves, and takes nothing itself any more."""
        self._once()

    def _once(self, resend_after: float = RESEND_AFTER, prove: bool = True) -> None:
        """One sign of life and one sweep; what fails is left for the next time."""
        try:
            with self._one_at_a_time:
                if prove:
                    self._node.prove()
                if not self._node.schema_fits:
                    return self._report_to_foreign_tables()
                beat = self._sign()  # a driver that hangs must not hold up other writers
                with session_scope(self._engine) as session:
                    workers.beat(session, beat)
                    unsent = queue_sweep.sweep(session, machine.is_dead, resend_after, self._outage.is_over)
        except Unavailable as error:
            self._outage.note()
            log.warning("No heartbeat: %s", error)
        except Exception:  # a worker that stops reporting would lose its run
            log.exception("No heartbeat.")
        else:
            unsent.send()

    def _report_to_foreign_tables(self) -> None:
        """To tables of another version nothing is written but why this worker is out, if they take that."""
        try:
            beat = self._sign()
            with session_scope(self._engine) as session:
                workers.beat(session, beat)
        except Exception as error:  # noqa: BLE001 — whatever the other version made of this table
            log.info("Not on the workers' list: %s", error)

    def _sign(self) -> workers.WorkerBeat:
        trouble = self._node.trouble
        utilisation, memory_used = self._use.read()
        return workers.WorkerBeat(
            id=machine.worker_id(),
            host=machine.worker_id().rsplit(".", 3)[0],
            pid=os.getpid(),
            device=self._node.device.kind,
            device_name=self._node.device.name,
            memory_bytes=self._node.device.memory_bytes,
            labels=self._node.labels,
            clock_ahead=self._node.clock_ahead,
            out_cause=trouble.cause if trouble else "",
            out_advice=trouble.advice if trouble else "",
            utilisation=utilisation,
            memory_used=memory_used,
            current_run_id=self._current_run_id,
            started_at=self._started_at,
        )

    def _live(self) -> None:
        self._once(resend_after=0.0)  # what was sent before this worker lived may be gone with the broker
        while not self._stopping.wait(EVERY):
            self._once()
