"""Notice that a PostgreSQL server hangs, without cutting off what only takes long.

A server that is stopped, or behind a network that swallows packets, keeps its connections open and says
nothing: neither its own time-outs nor TCP's end the wait. So whoever has waited a while without anybody
getting an answer has the server asked `SELECT 1` on a connection of its own. Only if that is not answered
either does every wait end at once with `Silent`, and none begins until the server answers again. A statement
that runs for an hour on a server that answers is left alone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from functools import lru_cache
from typing import Any, TypeVar

import psycopg
from psycopg.waiting import Ready
from sqlalchemy import Engine, event

from backend.db.waits import Silence, Waits

Result = TypeVar("Result")
Check = Callable[[float], None]  # given when the wait began; raises Silent to end it

INTERVAL = 0.1  # seconds between two looks of whoever waits
PAUSE = 0.2  # seconds between two questions to a server that hangs
DOUBT = 0.4  # of the longest silence: from then on the server is asked
NOTHING = "it is not responding"


class Silent(Silence, psycopg.OperationalError):
    """The server does not answer, or not in time."""


class _Watched(psycopg.Connection[Any]):
    """A connection whose waits end when a check says so; it is then closed, and nobody waits again."""

    check: Check
    connect_check: Check
    heard: Callable[[], None]

    def wait(
        self, gen: Generator[Any, Any, Result], interval: float = INTERVAL, *arguments: Any, **options: Any
    ) -> Result:
        try:
            watched = _checked(gen, self.check, self.heard)
            result: Result = super().wait(watched, interval, *arguments, **options)
        except Silent:
            self.pgconn.finish()
            raise
        return result

    def set_read_only(self, value: bool | None) -> None:
        """After a transaction that only reads, let the server say again whether the next one may write.

        SQLAlchemy puts back False, which psycopg sends as READ WRITE: a server that is set to refuse writes,
        as one is during a failover, would take them on connections that have read before.
        """
        super().set_read_only(value or None)

    @classmethod
    def _connect_gen(cls, *arguments: Any, **options: Any) -> Any:
        return _checked(super()._connect_gen(*arguments, **options), cls.connect_check, cls.heard)


def _checked(
    gen: Generator[Any, Any, Result], check: Check, heard: Callable[[], None]
) -> Generator[Any, Any, Result]:
    """`gen`, a network operation of psycopg, with a `check` at its start and at every `INTERVAL`."""
    began = time.monotonic()
    check(began)
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            if ready & Ready.R:
                heard()
            elif not ready:
                check(began)
            wanted = gen.send(ready)
    except StopIteration as done:
        result: Result = done.value
        return result


class Watch:
    """What this process knows of one server: when it last answered, and whether it hangs."""

    def __init__(self, waits: Waits) -> None:
        self._waits = waits
        self._parameters: dict[str, Any] = {}
        self._answered_at = time.monotonic()
        self._silent = False
        self._asking = threading.Lock()
        self._connection: psycopg.Connection[Any] | None = None
        self._connections = self._class(self._check_statement, self._check_connect)
        self._questions = self._class(self._check_question, self._check_question)

    def connect(self, parameters: dict[str, Any]) -> psycopg.Connection[Any]:
        """A watched connection. Silent if the server hangs."""
        self._parameters = parameters
        return self._connections.connect(**parameters)

    def close(self) -> None:
        """Close the connection that questions go over; the next question opens another."""
        if self._asking.acquire(blocking=False):
            try:
                self._drop()
            finally:
                self._asking.release()

    def _class(self, check: Check, connect_check: Check) -> type[_Watched]:
        """psycopg connects by a class, so the checks belong to one."""
        members = {
            "check": staticmethod(check),
            "connect_check": staticmethod(connect_check),
            "heard": staticmethod(self._note_answer),
        }
        return type("_Watched", (_Watched,), members)

    def _note_answer(self) -> None:
        self._answered_at = time.monotonic()

    def _check_statement(self, began: float) -> None:
        self._check(began)
        most = self._waits.statement
        if most is not None and time.monotonic() - began > most + 1:  # the server's own bound comes first
            raise Silent(f"a statement was not answered within {most:g} s")

    def _check_connect(self, began: float) -> None:
        self._check(began)
        if time.monotonic() - began > self._waits.connect:
            raise Silent(f"no connection within {self._waits.connect:g} s")

    def _check_question(self, began: float) -> None:
        if time.monotonic() - max(began, self._answered_at) > self._waits.silence:
            raise Silent(NOTHING)

    def _check(self, began: float) -> None:
        """Silent if the server hangs; after a while of waiting, find out."""
        if self._silent:
            self._doubt()
            raise Silent(NOTHING)
        if time.monotonic() - max(began, self._answered_at) > DOUBT * self._waits.silence:
            self._doubt()

    def _doubt(self) -> None:
        """Have the server asked, unless somebody is at it."""
        if self._asking.acquire(blocking=False):
            threading.Thread(target=self._find_out, name="database-watch", daemon=True).start()

    def _find_out(self) -> None:
        """Ask until there is an answer; a refusal is one."""
        try:
            while not self._answers():
                self._silent = True
                time.sleep(PAUSE)
            self._silent = False
            self._note_answer()
        finally:
            self._asking.release()

    def _answers(self) -> bool:
        try:
            if self._connection is None:
                self._connection = self._questions.connect(**{**self._parameters, "autocommit": True})
            self._connection.execute("SELECT 1")
        except Silent:
            self._drop()
            return False
        except psycopg.Error:  # refused, starting or shutting down: whoever waits hears it from its own wait
            self._drop()
        return True

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@lru_cache(maxsize=8)
def _of(_url: str, waits: Waits) -> Watch:
    """One for all engines of a process that use a server alike."""
    return Watch(waits)


def install(engine: Engine, waits: Waits) -> None:
    """Make the waits of the engine's connections end when the server hangs."""
    watch = _of(engine.url.render_as_string(hide_password=False), waits)

    def connect(_dialect: Any, _record: Any, _arguments: Any, parameters: dict[str, Any]) -> Any:
        return watch.connect(parameters)

    event.listen(engine, "do_connect", connect)
    event.listen(engine, "engine_disposed", lambda _engine: watch.close())
