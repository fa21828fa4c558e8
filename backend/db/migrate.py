"""Bring a database to the newest schema. Safe when several processes start at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, inspect, text
from sqlalchemy.engine import make_url

from backend.db.revisions import MIGRATIONS, is_known, is_newest, newest
from backend.db.session import make_engine
from backend.db.trouble import translated
from backend.kit.errors import Conflict, Unavailable

ONE_AT_A_TIME = 0x6574726D  # key of the PostgreSQL advisory lock: "etrm"


def upgrade(url: str, revision: str = "head") -> None:
    """Create the database file if there is none, and run what migrations are missing, all or nothing.

    Alembic, and with it every migration, is loaded only where one is missing.
    """
    _make_folder(url)
    if revision == "head" and is_newest(url):
        return
    from alembic import command
    from alembic.config import Config

    with translated(), migrating_connection(url) as connection:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        config.attributes["connection"] = connection
        refuse_newer(connection)
        command.upgrade(config, revision)


@dataclass(frozen=True)
class Mismatch:
    """How the tables of a database differ from those that this program was written for."""

    message: str
    hint: str


def mismatch(connection: Connection) -> Mismatch | None:
    """What is wrong with the schema, in words; None where it is this program's own."""
    at = revision_of(connection)
    if at == newest():
        return None
    if not at:
        return Mismatch("The database has no tables yet.", "Run etrm migrate.")
    if not is_known(at):
        return Mismatch(
            f"The database is newer than this program: it is at revision {at}.",
            "Update the program and start it again.",
        )
    return Mismatch(
        f"The database is older than this program: it is at revision {at}, not {newest()}.",
        "Run etrm migrate.",
    )


def revision_of(connection: Connection) -> str:
    """The revision that a database is at; empty for one without a schema."""
    if not inspect(connection).has_table("alembic_version"):
        return ""
    return ", ".join(sorted(connection.scalars(text("SELECT version_num FROM alembic_version"))))


def refuse_newer(connection: Connection) -> None:
    """Conflict if the database has been at a revision that this code does not know."""
    revision = revision_of(connection)
    if revision and not is_known(revision):
        raise Conflict(
            f"The database is newer than this program: it is at revision {revision}.",
            "Update the program, or set ETRM_HOME or ETRM_DATABASE_URL to another database.",
        )


def _make_folder(url: str) -> None:
    """The folder of an SQLite file; nothing for a server."""
    if make_url(url).get_backend_name() != "sqlite":
        return
    folder = Path(make_url(url).database or "").parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(
            f"The folder {folder} cannot be made: {error.strerror}.",
            "Set ETRM_HOME to a writable folder.",
        ) from error


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
