"""What scripts log over HTTP, gathered: what came while one transaction was written makes the next.

Most of what one call costs is its transaction, and calls can share one. Whoever logs is answered once the
transaction that holds the points is committed, as if it had been alone.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from sqlalchemy import Engine

from backend.db.session import Writes, note_writes, session_scope, watch_writes, writes
from backend.domain.people import Scope
from backend.kit.errors import EtrmError, Unavailable
from backend.lifecycle import heartbeat
from backend.metrics import together
from backend.metrics.together import Addition
from backend.people import service as accounts

log = logging.getLogger(__name__)

MAX_CALLS = 200  # of one transaction
GATHERING = 0.01  # seconds that a transaction waits for more after one that several callers shared


@dataclass(frozen=True)
class Call:
    """One request to log points at `steps` steps; `step` is how far its run is."""

    addition: Addition
    step: int
    steps: int
    credential: str = ""  # of the token that has to be asked about again; "" if it was asked about just now


@dataclass(frozen=True)
class _Outcome:
    version: int | None = None
    error: EtrmError | None = None
    writes: Writes = Writes.NONE


@dataclass(frozen=True)
class _Waiting:
    call: Call
    loop: asyncio.AbstractEventLoop
    answer: asyncio.Future[_Outcome]


class Intake:
    """Writes calls in a thread of its own, many in one transaction.

    `told` hears, in that thread, which runs got which version, after the commit.
    """

    def __init__(self, engine: Engine, told: Callable[[dict[str, list[int]]], None]) -> None:
        self._engine = engine
        self._told = told
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="intake", daemon=True)
        self._thread.start()

    async def add(self, call: Call) -> int | None:
        """The version that the points got; they are committed. None: this call has to go alone, because it is
        more than points at the end of known series of a running run, or may not be made. Unavailable."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[_Outcome] = loop.create_future()
        self._queue.put(_Waiting(call, loop, answer))
        outcome = await answer
        note_writes(outcome.writes)
        if outcome.error is not None:
            raise outcome.error
        return outcome.version

    def close(self) -> None:
        """Write what waits, then stop."""
        self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        shared, is_open = False, True
        while is_open:
            first = self._queue.get()
            if shared and first is not None:
                time.sleep(GATHERING)
            gathered = [first, *self._waiting()]
            calls = [waiting for waiting in gathered if waiting is not None]
            is_open = len(calls) == len(gathered)
            shared = len(calls) > 1
            for at in range(0, len(calls), MAX_CALLS):
                self._write(calls[at : at + MAX_CALLS])

    def _waiting(self) -> list[_Waiting | None]:
        waiting: list[_Waiting | None] = []
        try:
            while True:
                waiting.append(self._queue.get_nowait())
        except Empty:
            return waiting

    def _write(self, waiting: Sequence[_Waiting]) -> None:
        outcomes = self._outcomes([one.call for one in waiting])
        for loop in {one.loop for one in waiting}:
            own = [(one.answer, out) for one, out in zip(waiting, outcomes, strict=True) if one.loop is loop]
            if not loop.is_closed():
                loop.call_soon_threadsafe(_settle, own)
        told: dict[str, list[int]] = {}
        for one, outcome in zip(waiting, outcomes, strict=True):
            if outcome.version is not None:
                told.setdefault(one.call.addition.run_id, []).append(outcome.version)
        if told:
            try:
                self._told(told)
            except Exception:
                log.exception("nobody was told of points that were written")

    def _outcomes(self, calls: Sequence[Call]) -> list[_Outcome]:
        watch_writes()
        try:
            versions = self._versions(calls)
        except Unavailable as error:
            outcome = _Outcome(error=error, writes=writes())
            return [outcome] * len(calls)
        except Exception:  # something in one call that the database refuses: not all of them pay
            log.exception("%d calls that log points are written one by one", len(calls))
            return [_Outcome()] * len(calls)
        return [
            _Outcome() if version is None else _Outcome(version, writes=Writes.COMMITTED)
            for version in versions
        ]

    def _versions(self, calls: Sequence[Call]) -> list[int | None]:
        """What `add` gives for each."""
        with session_scope(self._engine) as session:
            credentials = {call.credential for call in calls if call.credential}
            allowed = {"", *accounts.covering(session, credentials, Scope.LOG)}
            running = heartbeat.hold_running(session, {call.addition.run_id for call in calls})
            chosen = [call.addition.run_id in running and call.credential in allowed for call in calls]
            plain = [call for call, is_plain in zip(calls, chosen, strict=True) if is_plain]
            written = iter(together.append(session, [call.addition for call in plain]) if plain else ())
            versions = [next(written) if is_plain else None for is_plain in chosen]
            steps: dict[str, int] = {}
            for call, version in zip(calls, versions, strict=True):
                if version is not None:
                    steps[call.addition.run_id] = max(call.step, steps.get(call.addition.run_id, 0))
            heartbeat.hear_running(session, steps)
        return versions


def _settle(answers: Sequence[tuple[asyncio.Future[_Outcome], _Outcome]]) -> None:
    for answer, outcome in answers:
        if not answer.done():  # its sender may have left
            answer.set_result(outcome)
