"""Answers plays beside whatever else this worker does: a thread that claims them and watches a warm child.

It does not go through Celery, whose one thread a training holds for hours (docs/decisions/playground.md).
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from backend.db.session import reading_scope, session_scope
from backend.kit import die_with_parent
from backend.kit.errors import Unavailable
from backend.playground import claims
from backend.playground.claims import Claim
from backend.queue import dispatch
from backend.queue.sweep import Outage
from backend.settings import Settings
from backend.web import notify
from worker.service import machine
from worker.service.node import Node
from worker.service.supervision import kill_group, python_module

if TYPE_CHECKING:
    from kombu.connection import Connection

LOOK_EVERY = 2.0  # seconds without a message between two looks for a play that waits
SWEEP_EVERY = 10.0  # seconds
RENEW_EVERY = 1.0  # seconds
LONGEST = 180.0  # seconds for one play
GRACE = 15.0  # seconds between asking the child to drop a play and killing it
TOO_LONG = (
    f"It took longer than {LONGEST:.0f} s. Use fewer views, fewer steps, or evaluate the checkpoint instead."
)

log = logging.getLogger(__name__)


class Player:
    """A thread that answers one play after another until `stop`.

    `is_busy` says whether this worker has a run or an evaluation in hand: then plays keep off its GPU.
    """

    def __init__(
        self, engine: Engine, settings: Settings, node: Node, is_busy: Callable[[], bool], worker_id: str = ""
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._node = node
        self._is_busy = is_busy
        self._worker_id = worker_id or machine.worker_id()
        self._outage = Outage()
        self._swept_at = 0.0
        self._child: _Child | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._live, name="plays", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def leave(self) -> None:
        """Take no more plays, and put back the one in hand."""
        self._stopping.set()

    def stop(self) -> None:
        """`leave`, and wait until the child has ended."""
        self.leave()
        if self._thread.is_alive():
            self._thread.join(timeout=GRACE)

    def _live(self) -> None:
        try:
            for _ in self._hints():
                if self._stopping.is_set():
                    break
                self._look_after_child()
                self._work_off()
        finally:
            self._end_child()

    def _hints(self) -> Iterator[None]:
        """One for each message, and one after `LOOK_EVERY` seconds without any, until `stop`."""
        yield  # what was sent before this worker lived may be gone with the broker
        while not self._stopping.is_set():
            try:
                with self._connection() as connection:
                    messages = connection.SimpleQueue(dispatch.PLAY_QUEUE, no_ack=True)
                    while not self._stopping.is_set():
                        with contextlib.suppress(messages.Empty):
                            messages.get(timeout=LOOK_EVERY)
                        yield
            except Exception as error:  # noqa: BLE001 — of whatever the transport is made of
                log.info("Plays are looked for without the broker: %s", error)
                self._stopping.wait(LOOK_EVERY)
                yield

    def _connection(self) -> Connection:
        from kombu.connection import Connection

        return Connection(  # type: ignore[no-untyped-call]
            dispatch.celery_url(self._settings.broker_url or ""),
            transport_options={"socket_connect_timeout": LOOK_EVERY},
        )

    def _work_off(self) -> None:
        """Answer all that wait."""
        try:
            self._sweep()
            while not self._stopping.is_set() and self._node.trouble is None and self._node.schema_fits:
                held = self._claim()
                if held is None:
                    return
                self._answer(held)
        except Unavailable as error:
            self._outage.note()
            log.warning("No plays are answered for now: %s", error)
        except Exception:
            log.exception("A play was not answered.")

    def _claim(self) -> Claim | None:
        with reading_scope(self._engine) as session:
            if not claims.is_any_queued(session):
                return None
        with session_scope(self._engine) as session:
            held = claims.claim(session, self._worker_id)
        if held is not None:
            log.info("Play %s: claimed", held.play_id)
            notify.play_changed(held.play_id)
        return held

    def _sweep(self) -> None:
        """Put back plays of workers of this host that died."""
        if time.monotonic() - self._swept_at < SWEEP_EVERY or not self._node.schema_fits:
            return
        self._swept_at = time.monotonic()
        with reading_scope(self._engine) as session:
            if not claims.is_any_held(session):
                return
        with session_scope(self._engine) as session:
            back = claims.put_back_lost(session, machine.is_dead, self._outage.is_over)
        for play_id in back:
            notify.play_changed(play_id)

    def _answer(self, held: Claim) -> None:
        """Let the child answer, and say so where it does not."""
        device = "auto" if self._node.device.kind != "cpu" and not self._is_busy() else "cpu"
        try:
            if self._child is None or not self._child.is_alive:
                self._child = _Child(self._settings.artifacts / "playground.console.txt")
            self._child.ask(f"{held.play_id} {held.attempt} {device}\n")
            cause = self._await(self._child, held)
        except OSError as error:
            cause = f"The process that answers could not be used: {error}"
        if cause:
            self._end_child()
            self._give_back(held, cause)
        notify.play_changed(held.play_id)

    def _await(self, child: _Child, held: Claim) -> str:
        """Wait for the child; empty once it is done, else why it never will be."""
        started = time.monotonic()
        dropped_at: float | None = None
        while not child.answered(RENEW_EVERY):
            if not child.is_alive:
                return f"The process that answers ended: {child.ending}"
            now = time.monotonic()
            if dropped_at is None and not self._renew(held):
                dropped_at = now  # cancelled: what the child has in memory is worth keeping
                child.drop()
            if self._stopping.is_set():
                return "The worker was stopped."
            if dropped_at is not None and now - dropped_at > GRACE:
                return "It was cancelled, and the process that answers did not listen."
            if now - started > LONGEST:
                return TOO_LONG
        return ""

    def _renew(self, held: Claim) -> bool:
        try:
            with session_scope(self._engine) as session:
                return claims.renew(session, held)
        except Unavailable as error:
            log.warning("The lease is not renewed: play %s: %s", held.play_id, error)
            return True

    def _give_back(self, held: Claim, cause: str) -> None:
        log.warning("Play %s: %s", held.play_id, cause)
        with session_scope(self._engine) as session:
            if self._stopping.is_set():
                claims.release(session, held, cause)
            elif cause == TOO_LONG:
                claims.fail(session, held, cause)
            else:
                claims.interrupt(session, held, cause)
        if self._stopping.is_set():
            dispatch.send_play(held.play_id)

    def _look_after_child(self) -> None:
        """Reap it where it has ended, idle or killed; end it where a run has begun, which needs the GPU's
        memory."""
        if self._child is None:
            return
        takes_memory = self._node.device.kind == "cuda" and self._is_busy()
        if takes_memory or not self._child.is_alive:
            self._end_child()

    def _end_child(self) -> None:
        if self._child is not None:
            self._child.end()
            self._child = None


class _Child:
    """The warm process (`worker.service.warm`)."""

    def __init__(self, console: Path) -> None:
        console.parent.mkdir(parents=True, exist_ok=True)
        with console.open("wb") as output:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-I",
                    "-S",
                    str(die_with_parent.__file__),
                    str(os.getpid()),
                    *python_module("worker.service.warm"),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                bufsize=0,
                process_group=0,
            )
        log.info("Started process %d, which answers plays", self._process.pid)

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    @property
    def ending(self) -> str:
        """How it ended, in words."""
        status = self._process.wait()
        return f"exit status {status}" if status >= 0 else f"killed by signal {-status}, likely out of memory"

    def ask(self, line: str) -> None:
        """OSError where it has just ended."""
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode())

    def answered(self, seconds: float) -> bool:
        """Whether it has answered; waits so long for it. False as well where it ended."""
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], seconds)
        if not ready:
            return False
        if self._process.stdout.readline():
            return True
        self._process.wait()  # it closed its side, for it ends
        return False

    def drop(self) -> None:
        """Let it give up what it has in hand."""
        self._process.terminate()

    def end(self) -> None:
        """Kill it: it holds nothing that is not in the database."""
        if self.is_alive:
            kill_group(self._process.pid)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
