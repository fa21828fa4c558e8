"""SQLite files of other trackers, opened for reading alone."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from etrm_lab.imports import BadSource


@contextmanager
def opened(path: Path, tables: Sequence[str], hint: str) -> Iterator[sqlite3.Connection]:
    """The database. BadSource with the hint where it is none, or has other tables."""
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
        try:
            found = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
        except sqlite3.Error as error:
            raise BadSource(f"{path} is no SQLite file that can be read ({error}). {hint}") from None
        if missing := [name for name in tables if name not in found]:
            raise BadSource(f"{path} has no table {missing[0]}. {hint}")
        yield database


def rows(path: Path, database: sqlite3.Connection, text: str, *values: Any) -> Iterator[tuple[Any, ...]]:
    """What a query gives, one row after another; BadSource where the file is damaged."""
    try:
        yield from database.execute(text, values)
    except sqlite3.Error as error:
        raise BadSource(f"{path} cannot be read: {error}. Restore it from a copy and import again.") from None
