"""Engines and sessions: one transaction per scope, committed once, at the edge."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from contextvars import ContextVar
from enum import Enum, auto
from importlib import import_module
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session

from backend.db.trouble import translated
from backend.db.turns import Turns
from backend.db.waits import PATIENT, Waits
from backend.kit.errors import Unavailable
from backend.kit.text import cleaned

READING, IN_PASSING, TURNS, WRITER_WAIT = "etrm_reading", "etrm_in_passing", "etrm_turns", "etrm_writer_wait"
# The indexes that a table of 50,000 runs goes through fit; a connection that reads less keeps less (KiB).
KEPT_IN_MEMORY = ("temp_store=MEMORY", "cache_size=-16384")
KEPT_CONNECTIONS = 10  # open while nobody needs them
# PostgreSQL ends the transaction of a client that was cut off after 25 s instead of two hours, for which its
# locks would keep everybody from taking its run over.
CLIENT_GONE = {
    "tcp_keepalives_idle": 10,  # seconds
    "tcp_keepalives_interval": 5,
    "tcp_keepalives_count": 3,
    "tcp_user_timeout": 25_000,  # milliseconds, for what it was sent and has not acknowledged
}


class Writes(Enum):
    """What became of the writing transactions since `watch_writes`."""

    NONE = auto()
    ROLLED_BACK = auto()  # all of them
    COMMITTED = auto()  # at least one
    UNKNOWN = auto()  # one ended while it was being committed


class _Ledger:
    """Shared by a request's task and the threads that work for it: these only have copies of a context."""

    def __init__(self) -> None:
        self.rolled_back = self.committed = self.unknown = False


_ledger: ContextVar[_Ledger | None] = ContextVar("ledger", default=None)


def watch_writes() -> None:
    """From here on, `writes` tells of the transactions of this task and of the threads that work for it."""
    _ledger.set(_Ledger())


def writes() -> Writes:
    """What became of the transactions since `watch_writes`; NONE without it."""
    ledger = _ledger.get() or _Ledger()
    if ledger.unknown:
        return Writes.UNKNOWN
    if ledger.committed:
        return Writes.COMMITTED
    return Writes.ROLLED_BACK if ledger.rolled_back else Writes.NONE


def note_writes(outcome: Writes) -> None:
    """Count for this task what became of a transaction in which another thread wrote for it, too."""
    ledger = _ledger.get() or _Ledger()
    ledger.unknown |= outcome is Writes.UNKNOWN
    ledger.committed |= outcome is Writes.COMMITTED
    ledger.rolled_back |= outcome is Writes.ROLLED_BACK


def make_engine(url: str, waits: Waits = PATIENT) -> Engine:
    """An engine for SQLite (a file) or PostgreSQL, set up for many processes at once."""
    import_module(
        "backend.schema"
    )  # by name: foreign keys must find their tables, and tables lie in features
    if make_url(url).get_backend_name() == "sqlite":
        return _sqlite_engine(url, waits)
    bounds = {
        "lock_timeout": waits.lock * 1000,
        "statement_timeout": (waits.statement or 0) * 1000,
        **CLIENT_GONE,
    }
    options = " ".join(f"-c {name}={number:.0f}" for name, number in bounds.items())
    engine = create_engine(
        url,
        pool_size=min(KEPT_CONNECTIONS, waits.connections),
        max_overflow=waits.connections - min(KEPT_CONNECTIONS, waits.connections),
        pool_timeout=waits.pool,
        pool_pre_ping=True,  # a restarted server costs one round trip, not an error
        connect_args={"connect_timeout": math.ceil(waits.connect) + 1, "options": options},
        json_serializer=_as_json,
        json_deserializer=_from_json,
    )
    from backend.db import watch  # and with it psycopg

    watch.install(engine, waits)
    return engine


def _as_json(value: Any) -> str:
    """JSON for a column: like `PlainText`, without what could be written out nowhere."""
    text = json.dumps(value)
    return json.dumps(cleaned(value)) if "\\ud" in text else text


def _from_json(stored: str | bytes) -> Any:
    """A stored value; halves of surrogate pairs, which older releases took, are U+FFFD."""
    value = json.loads(stored)
    return cleaned(value) if "\\ud" in str(stored) else value


@contextmanager
def session_scope(engine: Engine) -> Iterator[Session]:
    """A session that may write: commits when the block ends, rolls back when it raises."""
    ledger, committing = _ledger.get() or _Ledger(), False
    with translated(), _turn(engine), Session(engine, expire_on_commit=False) as session:
        try:
            with session.begin():
                yield session
                session.flush()
                committing = True
        except BaseException:
            ledger.unknown, ledger.rolled_back = ledger.unknown or committing, True
            raise
        ledger.committed = True


@contextmanager
def reading_scope(engine: Engine) -> Iterator[Session]:
    """A session on one snapshot that never waits for a writer; the database refuses writes in it."""
    reading = engine.execution_options(**{READING: True}, **_reading_options(engine))
    with translated(writes=False), Session(reading, expire_on_commit=False) as session, session.begin():
        yield session


def write_in_passing(engine: Engine, work: Callable[[Session], object]) -> None:
    """Write what a read may do without: if the database does not take it at once, nothing is written."""
    passing = engine.execution_options(**{IN_PASSING: True, TURNS: None})
    own = _ledger.set(_Ledger())  # what a request that fails says of its changes is about others
    try:
        with suppress(Unavailable), session_scope(passing) as session:
            if engine.dialect.name == "postgresql":
                session.execute(text("SET LOCAL lock_timeout = 50"))  # ms
            work(session)
    finally:
        _ledger.reset(own)


def _turn(engine: Engine) -> AbstractContextManager[None]:
    turns: Turns | None = engine.get_execution_options().get(TURNS)
    return turns.turn() if turns else nullcontext()


def _reading_options(engine: Engine) -> dict[str, Any]:
    if engine.dialect.name == "sqlite":
        return {}
    return {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}


def _sqlite_engine(url: str, waits: Waits) -> Engine:
    engine = create_engine(
        url,
        pool_size=min(KEPT_CONNECTIONS, waits.connections),
        max_overflow=waits.connections - min(KEPT_CONNECTIONS, waits.connections),
        pool_timeout=waits.pool,
        connect_args={"timeout": waits.writer},
        execution_options={TURNS: Turns(waits.writer), WRITER_WAIT: waits.writer},
        json_serializer=_as_json,
        json_deserializer=_from_json,
    )
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    """WAL: readers never wait for the writer. synchronous=NORMAL: a commit is in the system's page cache
    when it returns, so it survives a kill -9 of every process; only a power cut could take the last
    commits (never the integrity), and it spares an fsync per commit."""
    connection.isolation_level = None  # the driver's own BEGIN would be deferred
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", *KEPT_IN_MEMORY):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    """A writer takes the write lock at once: a transaction that reads first and writes later would fail
    with "database is locked" if another wrote in between, without waiting."""
    options = connection.get_execution_options()
    reading = bool(options.get(READING))
    connection.exec_driver_sql(f"PRAGMA query_only={'ON' if reading else 'OFF'}")
    turns: Turns | None = options.get(TURNS)
    if reading:
        connection.exec_driver_sql("BEGIN")
    elif options.get(IN_PASSING):
        _begin_at_once(connection, options[WRITER_WAIT])
    else:
        with turns.trying() if turns else nullcontext():
            connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin_at_once(connection: Connection, writer_wait: float) -> None:
    """Take the write lock, or fail without waiting for it."""
    connection.exec_driver_sql("PRAGMA busy_timeout=0")
    try:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    finally:
        connection.exec_driver_sql(f"PRAGMA busy_timeout={writer_wait * 1000:.0f}")
