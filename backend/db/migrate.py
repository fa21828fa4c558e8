"""Bring a database to the newest schema. Safe when several processes start at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url

from backend.db.session import make_engine, translated

MIGRATIONS = Path(__file__).parents[2] / "migrations"
ONE_AT_A_TIME = 0x6574726D  # key of the PostgreSQL advisory lock: "etrm"


def upgrade(url: str) -> None:
    """Create the database file if there is none, and run what migrations are missing, all or nothing."""
    make_folder(url)
    with translated(), migrating_connection(url) as connection:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def make_folder(url: str) -> None:
    """The folder of an SQLite file; nothing for a server."""
    if make_url(url).get_backend_name() == "sqlite":
        Path(make_url(url).database or "").parent.mkdir(parents=True, exist_ok=True)


@contextmanager
def migrating_connection(url: str) -> Iterator[Connection]:
    """One transaction that no other migration can enter; SQLite takes its write lock at BEGIN."""
    engine = make_engine(url)
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "sqlite":
                # Copying a table drops the old one, which would delete the rows that refer to it.
                connection.connection.execute("PRAGMA foreign_keys=OFF")
            with connection.begin():
                if engine.dialect.name == "postgresql":
                    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ONE_AT_A_TIME})
                yield connection
    finally:
        engine.dispose()
