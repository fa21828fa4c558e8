"""One reading query by the database's driver alone, for what must answer before SQLAlchemy is loaded."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

PATIENCE = 3  # seconds to connect, and for the rows; who gets none here asks in the usual way
_SQLITE, _POSTGRES = "sqlite:///", "postgresql+psycopg://"

Rows = list[tuple[Any, ...]]


def read(url: str, query: str) -> Rows | None:
    """The rows of a query; None where the database has no such tables, or does not answer."""
    if url.startswith(_SQLITE):
        return _of_sqlite(Path(url.removeprefix(_SQLITE)), query)
    return _of_postgres(url.replace(_POSTGRES, "postgresql://", 1), query)


def _of_sqlite(file: Path, query: str) -> Rows | None:
    if not file.is_file():
        return None
    try:
        connection = sqlite3.connect(file, timeout=PATIENCE)
        try:
            connection.execute("PRAGMA query_only=ON")
            return connection.execute(query).fetchall()
        finally:
            connection.close()
    except sqlite3.Error:
        return None


def _of_postgres(url: str, query: str) -> Rows | None:
    import psycopg

    try:
        options = f"-c statement_timeout={PATIENCE * 1000}"
        with psycopg.connect(url, connect_timeout=PATIENCE, options=options) as connection:
            connection.read_only = True
            return connection.execute(query.encode()).fetchall()
    except psycopg.Error:
        return None
