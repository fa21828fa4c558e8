"""The database of a backup: one SQLite file, whichever engine it came from and whichever it goes into.

SQLite copies its pages, PostgreSQL its rows; either way the copy is of one transaction, and nobody who writes
meanwhile waits for it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Connection, Engine, Table, delete, func, insert, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session

from backend.db.base import Base
from backend.db.migrate import refuse_newer, revision_of, upgrade
from backend.db.revisions import newest
from backend.db.session import make_engine, session_scope
from backend.db.trouble import translated
from backend.kit.errors import Conflict

BATCH = 1000  # rows that are in memory at once
# What belongs to the moment and not to the lab: who is logged in, what is delivered, which workers live.
PASSING = ("browser_session", "login_token", "message", "worker")


def snapshot(session: Session, target: Path) -> str:
    """Copy what this reading session sees into a new SQLite file, without `PASSING`; its schema's revision.

    The session is one snapshot: what it has read before belongs to the copy. Conflict for a database that is
    newer than this program, and for one on PostgreSQL that is older.
    """
    connection = session.connection()
    refuse_newer(connection)
    revision = revision_of(connection)
    if connection.dialect.name == "sqlite":
        with closing(sqlite3.connect(target)) as copy:
            _driver(connection).backup(copy)
    else:
        if revision != newest():
            raise Conflict("The database has an older schema than this program.", "Run etrm migrate first.")
        upgrade(_url(target))
        with _connected(_url(target)) as copy_connection:
            _insert_rows(connection, copy_connection)
    _forget_passing(target)
    return revision


def forget_checkpoints(copy: Path, ids: Sequence[int]) -> None:
    """Drop the rows of these checkpoints from a copy: it has no files for them."""
    with closing(sqlite3.connect(copy)) as connection, connection:
        connection.executemany("DELETE FROM checkpoint WHERE id = ?", [(each,) for each in ids])


def migrate(copy: Path) -> None:
    """Bring a copy to the newest schema."""
    upgrade(_url(copy))


def load(copy: Path, url: str) -> None:
    """Put a copy of the newest schema into the database of `url`, in place of what it holds, all or nothing.

    Others may be connected: they see the old contents until it is done.
    """
    upgrade(url)
    engine = make_engine(url)
    try:
        if engine.dialect.name == "sqlite":
            _load_pages(copy, engine)
        else:
            _load_rows(copy, engine)
    finally:
        engine.dispose()


def _load_pages(copy: Path, engine: Engine) -> None:
    with translated(), engine.connect() as connection, closing(sqlite3.connect(copy)) as source:
        source.backup(_driver(connection))


def _load_rows(copy: Path, engine: Engine) -> None:
    with _connected(_url(copy)) as source, session_scope(engine) as session:
        target = session.connection()
        for table in reversed(Base.metadata.sorted_tables):
            target.execute(delete(table))
        for table in Base.metadata.sorted_tables:
            _copy_in(source, target, table)
            _go_on_counting(target, table)


def _copy_in(source: Connection, target: Connection, table: Table) -> None:
    """One COPY for a table: what its rows refer to in each other is checked at its end."""
    columns = list(table.columns)
    processors = [each.type.dialect_impl(target.dialect).bind_processor(target.dialect) for each in columns]
    names = ", ".join(target.dialect.identifier_preparer.format_column(each) for each in columns)
    statement = f"COPY {target.dialect.identifier_preparer.format_table(table)} ({names}) FROM STDIN"
    with _driver(target).cursor() as cursor, cursor.copy(statement) as copying:
        for row in _rows(source, table):
            copying.write_row(
                [
                    process(value) if process and value is not None else value
                    for process, value in zip(processors, row, strict=True)
                ]
            )


def _go_on_counting(target: Connection, table: Table) -> None:
    """The next row's number comes after those that were copied."""
    counted = table.autoincrement_column
    if counted is None:
        return
    greatest = target.scalar(select(func.coalesce(func.max(counted), 0)))
    target.execute(
        text("SELECT setval(pg_get_serial_sequence(:table, :column), :next, false)"),
        {"table": table.name, "column": counted.name, "next": cast(int, greatest) + 1},
    )


def _insert_rows(source: Connection, target: Connection) -> None:
    """Into an SQLite file that nobody else has: its references are whole, since the source's are."""
    _driver(target).execute("PRAGMA foreign_keys=OFF")
    with target.begin():
        for table in Base.metadata.sorted_tables:
            rows = iter(_rows(source, table))
            while batch := [dict(row._mapping) for row in islice(rows, BATCH)]:
                target.execute(insert(table), batch)


def _rows(source: Connection, table: Table) -> Iterator[Any]:
    """All rows, a batch at a time in memory."""
    return iter(source.execution_options(yield_per=BATCH).execute(select(*table.columns)))


def _forget_passing(copy: Path) -> None:
    """Remove what belongs to the moment, overwritten, and leave one file."""
    with closing(sqlite3.connect(copy)) as connection:
        connection.execute("PRAGMA secure_delete=ON")
        present = {
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")
        }
        with connection:
            for name in present.intersection(PASSING):
                connection.execute(f"DELETE FROM {name}")
        connection.execute("PRAGMA journal_mode=DELETE")


@contextmanager
def _connected(url: str) -> Iterator[Connection]:
    engine = make_engine(url)
    try:
        with translated(), engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _driver(connection: Connection) -> Any:
    """The connection of sqlite3 or psycopg beneath."""
    return connection.connection.driver_connection


def _url(path: Path) -> str:
    return str(make_url("sqlite://").set(database=str(path)))
