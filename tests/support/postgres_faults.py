"""A PostgreSQL server of one's own, to stop, cut off, fail over and restart."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg
from sqlalchemy import make_url

from tests.support.processes import eventually

CUT_ALL = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
READ_ONLY = "default_transaction_read_only"


class Server:
    """The server of a database's URL, which must be on this machine."""

    def __init__(self, database_url: str) -> None:
        self._database = make_url(database_url).database
        self._address = (
            make_url(database_url)
            .set(drivername="postgresql", database="postgres")
            .render_as_string(hide_password=False)
        )
        with psycopg.connect(self._address, autocommit=True) as connection:
            (folder,) = connection.execute("SHOW data_directory").fetchone() or ("",)
        self._pid = int((Path(folder) / "postmaster.pid").read_text().splitlines()[0])

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """SIGSTOP to the server and to every process of it, for the block."""
        processes = [self._pid, *(child.pid for child in psutil.Process(self._pid).children(recursive=True))]
        try:
            for pid in processes:
                os.kill(pid, signal.SIGSTOP)
            yield
        finally:
            for pid in processes:
                os.kill(pid, signal.SIGCONT)

    @contextmanager
    def read_only(self) -> Iterator[None]:
        """Refuse writes, as after a failover, for the block; open connections are refused them too."""
        self._execute(f"ALTER SYSTEM SET {READ_ONLY} = on")
        self._execute("SELECT pg_reload_conf()")
        try:
            yield
        finally:
            self._execute(f"SET {READ_ONLY} = off; ALTER SYSTEM RESET {READ_ONLY}")
            self._execute("SELECT pg_reload_conf()")

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Refuse connections to the database, and cut those there are, for the block."""
        self._execute(f"ALTER DATABASE {self._database} ALLOW_CONNECTIONS false")
        self.cut()
        try:
            yield
        finally:
            self._execute(f"ALTER DATABASE {self._database} ALLOW_CONNECTIONS true")

    def cut(self) -> int:
        """Cut every connection to the database; how many there were."""
        with psycopg.connect(self._address, autocommit=True) as connection:
            return len(connection.execute(CUT_ALL, [self._database]).fetchall())

    def crash(self) -> None:
        """kill -9 of one backend: the server cuts everybody off and restarts; returns when it has."""
        with (
            closing(psycopg.connect(self._address, autocommit=True)) as other,
            closing(psycopg.connect(self._address, autocommit=True)) as killed,
        ):
            os.kill(killed.info.backend_pid, signal.SIGKILL)
            eventually(lambda: not _answers(other), "the crash")
        eventually(self._accepts, "the restart")

    def _accepts(self) -> bool:
        try:
            self._execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def _execute(self, statements: str) -> None:
        with psycopg.connect(self._address, autocommit=True) as connection:
            for statement in statements.split(";"):
                connection.execute(statement.encode())


def _answers(connection: psycopg.Connection[Any]) -> bool:
    try:
        connection.execute("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True
