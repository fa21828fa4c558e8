"""What the questions are asked of: databases as they are in use, and a lab of real processes on one."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg

from backend.db.session import session_scope
from backend.embedded import valkey
from backend.embedded.database import prepare
from backend.people import service as accounts
from backend.settings import POSTGRES_DRIVER
from benchmarks.kit.records import OURS
from benchmarks.kit.timing import until
from tests.support.databases import postgres_server
from tests.support.web import WebServer

SQLITE, POSTGRES = "SQLite", "PostgreSQL"
DATABASES = (SQLITE, POSTGRES)


def subject(database: str) -> str:
    """Ours on this database, in records."""
    return f"{OURS}, {database}"


@contextmanager
def databases(names: Sequence[str] = DATABASES) -> Iterator[dict[str, str]]:
    """URLs of databases with the built-in task sets, by name; PostgreSQL syncs every commit, as in use."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="etrm-bench-")))
        urls = {}
        for name in names:
            if name == SQLITE:
                urls[name] = f"sqlite:///{folder / 'etrm.sqlite3'}"
            else:
                server = stack.enter_context(postgres_server())
                with psycopg.connect(server, autocommit=True) as connection:
                    connection.execute("ALTER SYSTEM RESET fsync")  # which tests turn off
                    connection.execute("SELECT pg_reload_conf()")
                urls[name] = server.replace("postgresql://", POSTGRES_DRIVER)
            prepare(urls[name]).dispose()
        yield urls


class Lab:
    """A broker and `etrm web` on a database that is prepared."""

    def __init__(self, folder: Path, url: str) -> None:
        broker = valkey.Broker(folder)
        self._broker = subprocess.Popen(broker.command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        assert self._broker.stdin
        with self._broker.stdin as stdin:
            stdin.write(broker.config)
        until(lambda: valkey.answers(broker.url), "the broker")
        self.environment = {
            "ETRM_HOME": str(folder),
            "ETRM_DATABASE_URL": url,
            "ETRM_BROKER_URL": broker.url,
        }
        self.server = WebServer(folder, self.environment)
        self.engine = self.server.engine
        self.url, self.token, self.pid = self.server.url, self.server.token, self.server.process.pid
        self.client = self.server.client

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def browser_session(self) -> str:
        """The secret of a browser that has logged in."""
        with session_scope(self.engine) as session:
            return accounts.log_in_with_token(session, self.token)

    def cpu_seconds(self) -> float:
        """Processor time that the web server has taken, in steps of 10 ms."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        self.server.stop()
        self._broker.terminate()
        self._broker.wait(20)


@contextmanager
def lab(url: str, fill: Callable[[str], object] = lambda url: None) -> Iterator[Lab]:
    """A lab on this database, which is filled before the server starts."""
    fill(url)
    with tempfile.TemporaryDirectory(prefix="etrm-bench-") as folder:
        running = Lab(Path(folder), url)
        try:
            yield running
        finally:
            running.stop()
