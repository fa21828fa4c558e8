"""A whole lab to be broken: database, broker, web server, worker, and a script that logs through the API."""

from __future__ import annotations

import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from backend.data import service as datasets
from backend.db.session import make_engine, session_scope
from backend.terminal.port import free_local_port
from tests.faults.long.registry import POSTGRES, SQLITE, STORED
from tests.support.databases import PostgresDatabases, SqliteFiles, postgres_server
from tests.support.object_store import S3Server
from tests.support.postgres_faults import Server
from tests.support.processes import PATIENCE, Lab, eventually, kill
from tests.support.web import WebServer

KEPT_FREE = 0.01  # GiB: the disks that a fault fills are small
BETWEEN_POINTS = 0.5  # seconds
ANSWER_SECONDS = 5.0  # for which the script waits before it sends a point again


class FaultedLab(Lab):
    """A lab with a web server on a port that a restart keeps; its own PostgreSQL server; its object store."""

    def __init__(
        self, folder: Path, database_url: str, server: Server | None = None, store: S3Server | None = None
    ) -> None:
        super().__init__(folder, database_url)
        self.environment |= {"ETRM_MIN_FREE_GIB": str(KEPT_FREE)}
        self.server = server
        self.store = store
        if store:
            self.environment |= store.environment | {"ETRM_ARTIFACTS_URL": store.new_url()}
        self._port = free_local_port()
        self.web: WebServer | None = None

    def start(self) -> None:
        self.start_broker()
        self.start_web()
        self.start_worker()

    def start_web(self) -> None:
        """Start the web server on the port of its predecessor."""
        if self.web:
            self.web.close()
        self.web = WebServer(self.folder, self.environment, self._port)

    def beside(self, prefix: Sequence[str] = (), **environment: str) -> subprocess.Popen[bytes]:
        """Start another worker of this lab, in another environment; the caller ends it."""
        first, before = self.worker, self.environment
        try:
            self.environment = before | environment
            self.start_worker(prefix)
            assert self.worker
            return self.worker
        finally:
            self.worker, self.environment = first, before

    def client(self) -> httpx.Client:
        assert self.web
        return self.web.client()

    @property
    def is_whole(self) -> bool:
        """Whether every part lives, so that the next try can have this lab."""
        parts = (self.broker, self.worker, self.web and self.web.process)
        return all(part and part.poll() is None for part in parts)

    def stop(self) -> None:
        if self.web:
            if self.web.process.poll() is None:
                kill(self.web.process)
            self.web.close()
        super().stop()


class Script(threading.Thread):
    """A script that logs an external run: it sends each point until it is acknowledged, then the next."""

    def __init__(self, lab: FaultedLab) -> None:
        super().__init__(name="script", daemon=True)
        self.lab = lab
        self._client = lab.client()
        made = self._client.post("/api/v1/runs/external", json={"name": "script", "config": {}})
        made.raise_for_status()
        self.run_id = str(made.json()["id"])
        self._client.timeout = httpx.Timeout(ANSWER_SECONDS)
        self.acknowledged: dict[int, float] = {}
        self._over = threading.Event()

    def run(self) -> None:
        step = 0
        while not self._over.wait(BETWEEN_POINTS):
            if self._sent(step, step / 7):
                self.acknowledged[step] = step / 7
                step += 1

    def end(self) -> None:
        """Send no more; the second time nothing is left to do."""
        if self._over.is_set():
            return
        self._over.set()
        self.join()
        with suppress(httpx.HTTPError):
            self._client.post(f"/api/v1/runs/{self.run_id}/finish", json={})
        self._client.close()

    def _sent(self, step: int, value: float) -> bool:
        body = {"step": [step], "values": {"loss": [value]}}
        try:
            return self._client.post(f"/api/v1/runs/{self.run_id}/metrics", json=body).is_success
        except httpx.HTTPError:
            return False


class Labs:
    """Labs by database, started when first asked for; one that a fault has left broken is replaced."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="etrm-faults-")))
        self._databases: dict[str, SqliteFiles | PostgresDatabases] = {}
        self._open: dict[str, tuple[FaultedLab, ExitStack]] = {}
        self._count = 0

    def __enter__(self) -> Labs:
        return self

    def __exit__(self, *error: Any) -> None:
        for database in list(self._open):
            self.drop(database)
        self._stack.close()

    def of(self, database: str) -> FaultedLab:
        """The lab on this database; the only one that is running."""
        for other in [name for name in self._open if name != database]:
            self.drop(other)
        if database in self._open and not self._open[database][0].is_whole:
            self.drop(database)
        if database not in self._open:
            stack = ExitStack()
            self._open[database] = (stack.enter_context(self._started(database)), stack)
        return self._open[database][0]

    def bare(self, folder_name: str) -> tuple[Path, str]:
        """A folder and the URL of an SQLite file in it that does not exist yet."""
        folder = self.folder(folder_name)
        return folder, f"sqlite:///{folder / 'new.sqlite3'}"

    def folder(self, name: str) -> Path:
        self._count += 1
        folder = self._folder / f"{self._count}-{name}"
        folder.mkdir()
        return folder

    def drop(self, database: str) -> None:
        """Stop the lab on this database: the next one is new."""
        if opened := self._open.pop(database, None):
            opened[1].close()

    @contextmanager
    def _started(self, database: str) -> Iterator[FaultedLab]:
        with ExitStack() as stack:
            url, server = self._new_database(database, stack)
            seed(url)
            lab = FaultedLab(self.folder(database), url, server, self._new_store(database, stack))
            patch = stack.enter_context(pytest.MonkeyPatch.context())
            for name, value in lab.environment.items():
                patch.setenv(name, value)
            stack.callback(lab.stop)
            lab.start()
            yield lab

    def _new_database(self, database: str, stack: ExitStack) -> tuple[str, Server | None]:
        if database in (SQLITE, STORED):
            if SQLITE not in self._databases:
                self._databases[SQLITE] = SqliteFiles(self.folder("files"))
            files = self._databases[SQLITE]
            return files.new(), None
        assert database == POSTGRES
        # One server for each lab: a fault that leaves it broken leaves it to no other.
        url = PostgresDatabases(stack.enter_context(postgres_server())).new()
        server = Server(url)
        stack.callback(server.end)
        return url, server

    def _new_store(self, database: str, stack: ExitStack) -> S3Server | None:
        if database != STORED:
            return None
        store = S3Server(self.folder("store") / "log")
        stack.callback(lambda: store.stop())
        store.create_bucket()
        return store


def seed(database_url: str) -> None:
    """Bring the built-in task sets in."""
    engine = make_engine(database_url)
    with session_scope(engine) as session:
        datasets.seed_built_in(session)
    engine.dispose()


def end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, and wait for the end."""
    process.send_signal(signal.SIGTERM)
    eventually(lambda: process.poll() is not None, f"the end of process {process.pid}", PATIENCE)
