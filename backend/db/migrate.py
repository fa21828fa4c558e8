"""Bring a database to the newest schema. Safe when several processes start at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url

from backend.db.session import make_engine
from backend.db.trouble import translated
from backend.kit.errors import Conflict, Unavailable

MIGRATIONS = Path(str(files("migrations")))  # a folder of the clone, or of the installed wheel
ONE_AT_A_TIME = 0x6574726D  # key of the PostgreSQL advisory lock: "etrm"


def upgrade(url: str, revision: str = "head") -> None:
    """Create the database file if there is none, and run what migrations are missing, all or nothing."""
    _make_folder(url)
    with translated(), migrating_connection(url) as connection:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        config.attributes["connection"] = connection
        _refuse_newer(config, connection)
        command.upgrade(config, revision)


def _refuse_newer(config: Config, connection: Connection) -> None:
    """Conflict if the database has been at a revision that this code does not know."""
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    unknown = set(MigrationContext.configure(connection).get_current_heads()) - known
    if unknown:
        raise Conflict(
            f"The database is newer than this program: it is at revision {', '.join(sorted(unknown))}.",
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
