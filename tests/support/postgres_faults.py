"""A PostgreSQL server of one's own, to stop, cut off, fail over and restart."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg
from sqlalchemy import make_url

from tests.support.processes import PATIENCE, eventually

CUT_ALL = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
READ_ONLY = "default_transaction_read_only"


class Server:
    """The server of a database's URL, which must be on this machine."""

    def __init__(self, database_url: str) -> None:
        self._url = make_url(database_url)
        self._database = self._url.database
        self._address = self._url.set(drivername="postgresql", database="postgres").render_as_string(
            hide_password=False
        )
        with psycopg.connect(self._address, autocommit=True) as connection:
            (folder,) = connection.execute("SHOW data_directory").fetchone() or ("",)
        self._folder = Path(folder)
        self._pid = self._read_pid()
        running = psutil.Process(self._pid)
        self._command, self._user, self._group = running.cmdline(), running.uids().real, running.gids().real
        self._restarted: subprocess.Popen[bytes] | None = None

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """SIGSTOP to the server and to every process of it, for the block."""
        processes = [each.pid for each in self._processes()]
        try:
            for pid in processes:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
            yield
        finally:
            for pid in processes:
                with suppress(ProcessLookupError):  # a client that left took its own with it
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

    def down(self, number: signal.Signals, patience: float = PATIENCE) -> None:
        """Send the signal to the server and wait for the end of all its processes.

        SIGTERM waits for everybody to leave: those who have not after `patience` seconds are cut off, as
        `pg_ctl stop` does.
        """
        processes = self._processes()
        os.kill(self._pid, number)
        _, alive = psutil.wait_procs(processes[:1], timeout=patience)
        if alive:
            os.kill(self._pid, signal.SIGINT)
        if self._restarted:
            self._restarted.wait(timeout=PATIENCE)
        psutil.wait_procs(processes, timeout=PATIENCE)

    def start(self) -> None:
        """Start it again as it was started first; returns once it takes connections."""
        with (self._folder / "log").open("ab") as log:
            self._restarted = subprocess.Popen(
                self._command, user=self._user, group=self._group, cwd=self._folder, stdout=log, stderr=log
            )
        self._pid = self._restarted.pid
        eventually(self._accepts, "the restart")

    def listen_on(self, address: str, network: str) -> str:
        """Restart it within reach of that network, at this address; the database's URL there."""
        with (self._folder / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all all {network} trust\n")
        self._command = [*self._command, "-h", address]  # of two the last one counts
        self.down(signal.SIGINT)
        self.start()
        with psycopg.connect(self._address, autocommit=True) as connection:
            (port,) = connection.execute("SHOW port").fetchone() or ("",)
        there = self._url.set(host=address, port=int(port), query={})
        return there.render_as_string(hide_password=False)

    def end(self) -> None:
        """Stop it if `start` has started it: whoever started it first does not know that one."""
        if self._restarted and self._restarted.poll() is None:
            self.down(signal.SIGINT)

    @property
    def database_name(self) -> str:
        return self._database or ""

    @property
    def socket(self) -> Path:
        """Where it listens."""
        with psycopg.connect(self._address, autocommit=True) as connection:
            (folder,) = connection.execute("SHOW unix_socket_directories").fetchone() or ("",)
            (port,) = connection.execute("SHOW port").fetchone() or ("",)
        return Path(folder.strip()) / f".s.PGSQL.{port}"

    def _processes(self) -> list[psutil.Process]:
        server = psutil.Process(self._pid)
        return [server, *server.children(recursive=True)]

    def _read_pid(self) -> int:
        return int((self._folder / "postmaster.pid").read_text().splitlines()[0])

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
