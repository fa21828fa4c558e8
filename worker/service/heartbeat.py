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

EVERY = 10.0  # seconds

log = logging.getLogger(__name__)


class Heartbeat:
    """A thread that reports this worker and sweeps the queue until `stop`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._device = machine.device_info()
        self._started_at = time.time()
        self._current_run_id: str | None = None
        self._outage = queue_sweep.Outage()
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
        with suppress(Unavailable), session_scope(self._engine) as session:  # else it is listed as offline
            workers.sign_off(session, machine.worker_id())
        notify.runs_changed()

    def works_on(self, run_id: str | None) -> None:
        """Report at once that this worker took a run, or is idle again; idle, it asks for the next."""
        self._current_run_id = run_id
        self._once()

    def _once(self, resend_after: float = RESEND_AFTER) -> None:
        """One sign of life and one sweep; what fails is left for the next time."""
        try:
            with self._one_at_a_time, session_scope(self._engine) as session:
                workers.beat(session, self._sign())
                unsent = queue_sweep.sweep(session, machine.is_dead, resend_after, self._outage.is_over)
        except Unavailable as error:
            self._outage.note()
            log.warning("No heartbeat: %s", error)
        except Exception:  # a worker that stops reporting would lose its run
            log.exception("No heartbeat.")
        else:
            unsent.send()

    def _sign(self) -> workers.WorkerBeat:
        return workers.WorkerBeat(
            id=machine.worker_id(),
            host=machine.worker_id().rsplit(".", 3)[0],
            pid=os.getpid(),
            device=self._device.kind,
            device_name=self._device.name,
            memory_bytes=self._device.memory_bytes,
            current_run_id=self._current_run_id,
            started_at=self._started_at,
        )

    def _live(self) -> None:
        self._once(resend_after=0.0)  # what was sent before this worker lived may be gone with the broker
        while not self._stopping.wait(EVERY):
            self._once()
