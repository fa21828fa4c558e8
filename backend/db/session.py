"""Engines and sessions: one transaction per scope, committed once, at the edge."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.orm import Session

from backend.kit.errors import Unavailable

LOCK_WAIT_SECONDS = 30  # how long a writer waits for another writer before it gives up
READING = "etrm_reading"


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
    )


@contextmanager
def session_scope(engine: Engine) -> Iterator[Session]:
    """A session that may write: commits when the block ends, rolls back when it raises."""
    with translated(), Session(engine, expire_on_commit=False) as session, session.begin():
        yield session


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
    """Turns an unreachable, locked, full or damaged database into words for the user."""
    try:
        yield
    except DatabaseError as error:
        # Its subclasses but one are mistakes of ours; "file is not a database" has no class of its own.
        if not isinstance(error, OperationalError) and type(error) is not DatabaseError:
            raise
        said = str(error.orig).strip().splitlines()[0] if error.orig else "no answer"
        raise Unavailable(
            f"Could not use the database: {said}.", hint="Check ETRM_DATABASE_URL and free disk space."
        ) from error


def _sqlite_engine(url: str) -> Engine:
    engine = create_engine(url, connect_args={"timeout": LOCK_WAIT_SECONDS})
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
