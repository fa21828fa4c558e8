"""Engines and sessions: one transaction per scope, committed once, at the edge."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum, auto
from importlib import import_module
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DatabaseError, DataError, OperationalError
from sqlalchemy.orm import Session

from backend.kit.errors import InvalidInput, Unavailable
from backend.kit.text import cleaned

LOCK_WAIT_SECONDS = 30  # how long a writer waits for another writer before it gives up
READING = "etrm_reading"
# SQLSTATEs by which PostgreSQL says that a value does not fit: too long, out of range, not in its encoding.
UNFIT_VALUES = ("22001", "22003", "22008", "22021", "22P05")


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


def make_engine(url: str) -> Engine:
    """An engine for SQLite (a file) or PostgreSQL, set up for many processes at once."""
    import_module(
        "backend.schema"
    )  # by name: foreign keys must find their tables, and tables lie in features
    if make_url(url).get_backend_name() == "sqlite":
        return _sqlite_engine(url)
    return create_engine(
        url,
        pool_size=5,
        max_overflow=15,
        pool_pre_ping=True,  # a restarted server costs one round trip, not an error
        connect_args={"connect_timeout": 10, "options": f"-c lock_timeout={LOCK_WAIT_SECONDS}s"},
        json_serializer=_as_json,
        json_deserializer=_from_json,
    )


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
    with translated(), Session(engine, expire_on_commit=False) as session:
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
    with translated(), Session(reading, expire_on_commit=False) as session, session.begin():
        yield session


def _reading_options(engine: Engine) -> dict[str, Any]:
    if engine.dialect.name == "sqlite":
        return {}
    return {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}


@contextmanager
def translated() -> Iterator[None]:
    """Turns an unreachable, locked, full or damaged database, and a value that it cannot hold, into words
    for the user."""
    try:
        yield
    except OverflowError as error:
        if "SQLite" not in str(error):  # arithmetic of ours
            raise
        raise _does_not_fit() from error
    except DataError as error:
        if getattr(error.orig, "sqlstate", None) not in UNFIT_VALUES:
            raise
        raise _does_not_fit() from error
    except DatabaseError as error:
        # Its subclasses but one are mistakes of ours; "file is not a database" has no class of its own.
        if not isinstance(error, OperationalError) and type(error) is not DatabaseError:
            raise
        said = str(error.orig).strip().splitlines()[0] if error.orig else "no answer"
        raise Unavailable(
            f"Could not use the database: {said}.", hint="Check ETRM_DATABASE_URL and free disk space."
        ) from error


def _does_not_fit() -> InvalidInput:
    return InvalidInput(
        "A value in the request does not fit the database.", "Check for numbers that are too large."
    )


def _sqlite_engine(url: str) -> Engine:
    engine = create_engine(
        url,
        connect_args={"timeout": LOCK_WAIT_SECONDS},
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
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "temp_store=MEMORY"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    """A writer takes the write lock at once: a transaction that reads first and writes later would fail
    with "database is locked" if another wrote in between, without waiting."""
    reading = bool(connection.get_execution_options().get(READING))
    connection.exec_driver_sql(f"PRAGMA query_only={'ON' if reading else 'OFF'}")
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
