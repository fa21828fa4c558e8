"""Two hosts that share nothing but database, broker and object store, which lie between them on a bridge."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from sqlalchemy import select

from backend.db.session import reading_scope
from backend.embedded import valkey
from backend.runs.status import HELD
from backend.runs.tables import Run
from tests.faults.long.lab import seed
from tests.faults.long.registry import Skipped
from tests.support.databases import PostgresDatabases, postgres_server
from tests.support.namespaces import Bridge, Host, why_not
from tests.support.object_store import S3Server
from tests.support.postgres_faults import Server
from tests.support.processes import Lab, kill
from tests.support.web import WebServer

HOSTS = ("north", "south")


@dataclass(frozen=True)
class _Broker(valkey.Broker):
    """The embedded broker on an address that other hosts reach."""

    host: str = "127.0.0.1"

    @property
    def url(self) -> str:
        return super().url.replace("127.0.0.1", self.host)

    @property
    def config(self) -> bytes:
        return super().config.replace(b"bind 127.0.0.1", f"bind {self.host}".encode())


class Worker:
    """A host's worker process, with folders of its own."""

    def __init__(self, host: Host, folder: Path, environment: dict[str, str]) -> None:
        self.host = host
        self.artifacts = folder / "artifacts"
        self.log = folder / "worker.log"
        folder.mkdir()
        own = {"ETRM_HOME": str(folder), "ETRM_ARTIFACTS": str(self.artifacts)}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*host.prefix, sys.executable, "-m", "worker", "worker"],
                env=os.environ | environment | own,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,
            )

    @property
    def name(self) -> str:
        return self.host.name

    def child(self, run_id: str) -> psutil.Process | None:
        """Its training process of a run, if one lives."""
        for process in psutil.Process(self.process.pid).children():
            try:
                command = process.cmdline()
                if "worker.service.train" in command and run_id in command:
                    return process
            except psutil.Error:  # it has ended meanwhile
                continue
        return None

    def checkpoints(self, run_id: str) -> set[str]:
        """The names of the run's checkpoints that are whole on its disk."""
        return {path.name for path in (self.artifacts / run_id / "checkpoints").glob("step-*")}


class TwoHosts(Lab):
    """The lab in the middle, with the people's web server, and the workers of both hosts."""

    def __init__(
        self, folder: Path, database_url: str, bridge: Bridge, store: S3Server, stack: ExitStack
    ) -> None:
        super().__init__(folder, database_url)
        self._broker_settings = _Broker(folder, host=bridge.address(1))
        self.middle = bridge.address(1)  # of database and broker
        self.store_address = bridge.address(2)
        self.environment |= store.environment | {
            "ETRM_BROKER_URL": self._broker_settings.url,
            "ETRM_ARTIFACTS_URL": store.new_url(),
            "ETRM_MIN_FREE_GIB": "0.01",
        }
        self._stack = stack
        self._bridge = bridge
        self.workers: dict[str, Worker] = {}
        self.web: WebServer

    def start(self) -> None:
        self.start_broker()
        self.web = WebServer(self.folder, self.environment)
        self._stack.callback(self.web.stop)
        for number, name in enumerate(HOSTS, 1):
            host = Host(self._bridge, name, number)
            self._stack.callback(host.remove)
            self.workers[name] = Worker(host, self.folder / name, self.environment)
            self._stack.callback(kill, self.workers[name].process)

    def running_on(self, host: str) -> Run | None:
        """The run that a host's worker has now."""
        with reading_scope(self.engine) as session:
            rows = session.scalars(select(Run).where(Run.status.in_(HELD))).all()
        return next((row for row in rows if host_of(row.worker_id) == host), None)


def host_of(worker_id: str | None) -> str:
    """The host that the id of a worker begins with."""
    return (worker_id or "").partition(".")[0]


@contextmanager
def database_between() -> Iterator[tuple[Bridge, str]]:
    """A network without hosts yet, and the URL of a seeded PostgreSQL database in its middle; Skipped where
    this machine cannot make hosts."""
    if why := why_not():
        raise Skipped(why)
    with ExitStack() as stack:
        bridge = Bridge()
        stack.callback(bridge.remove)
        url = PostgresDatabases(stack.enter_context(postgres_server())).new()
        seed(url)
        server = Server(url)
        stack.callback(server.end)
        yield bridge, server.listen_on(bridge.address(1), bridge.network)


@contextmanager
def two_hosts(folder: Path) -> Iterator[TwoHosts]:
    """All of it, started; Skipped where this machine cannot make hosts."""
    with ExitStack() as stack:
        bridge, url = stack.enter_context(database_between())
        store = S3Server(folder / "s3.log", bridge.address(2))
        stack.callback(store.stop)
        store.create_bucket()
        lab = TwoHosts(folder, url, bridge, store, stack.enter_context(ExitStack()))
        stack.callback(lab.stop)
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in lab.environment.items():
            patch.setenv(name, value)
        lab.start()
        yield lab
