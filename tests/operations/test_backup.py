"""A backup taken from a lab at work restores, on either engine, to a lab that shows the same."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine, delete, select

from backend.artifacts.manifest import MANIFEST
from backend.db.session import make_engine, reading_scope, session_scope
from backend.runs import checkpoints
from backend.runs.tables import Checkpoint, Run
from tests.support.databases import PostgresDatabases
from tests.support.lab import etrm
from tests.support.processes import eventually
from tests.support.records.recorded import record_checkpoint, record_run
from tests.support.releases.answers import answers
from tests.support.releases.kept import Release, blurred, differences, releases
from tests.support.web import WebServer

RELEASE: Release = releases()[-1]
OF_THE_MOMENT = ("/api/v1/workers",)  # who works is not part of a backup


@dataclass
class House:
    """A lab's folder, database and settings; its web server while it runs."""

    folder: Path
    database_url: str

    @property
    def artifacts(self) -> Path:
        return self.folder / "artifacts"

    @property
    def variables(self) -> dict[str, str]:
        return {"ETRM_DATABASE_URL": self.database_url}

    @contextmanager
    def server(self) -> Iterator[WebServer]:
        environment = {"ETRM_HOME": str(self.folder), **self.variables}
        server = WebServer(self.folder, environment)
        try:
            yield server
        finally:
            server.stop()


Houses = Callable[[str, str], House]


@pytest.fixture
def houses(tmp_path: Path, request: pytest.FixtureRequest) -> Houses:
    """Makes the folder of a lab with a fresh, migrated database on an engine."""

    def make(name: str, engine: str) -> House:
        folder = tmp_path / name
        folder.mkdir()
        if engine == "sqlite":
            return House(folder, f"sqlite:///{folder / 'etrm.sqlite3'}")
        databases: PostgresDatabases = request.getfixturevalue("postgres_databases")
        return House(folder, databases.new_empty())

    return make


@pytest.fixture
def furnished(houses: Houses, tmp_path: Path) -> Callable[[str], House]:
    """Makes a lab with every kind of row, as a recorded release left it, at the newest schema."""

    def make(engine: str) -> House:
        lab = houses("lab", engine)
        if engine == "sqlite":
            RELEASE.as_sqlite(lab.folder)
        else:
            RELEASE.as_postgres(tmp_path / "old", lab.database_url)
        done = etrm(lab.folder, "migrate", **lab.variables)
        assert done.returncode == 0, done.stderr
        return lab

    return make


@dataclass
class Load:
    """A script that logs, and a training that saves checkpoints and keeps two, until it is stopped."""

    server: WebServer
    artifacts: Path
    run: str
    trained: str
    acknowledged: list[int] = field(default_factory=list)
    saved: int = 0
    _over: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)

    def start(self) -> None:
        for work in (self._log, self._save):
            thread = threading.Thread(target=self._guarded, args=(work,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(timeout=60)
        assert not self.errors, self.errors

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 — told by `stop`
            self.errors.append(error)

    def _log(self) -> None:
        with self.server.client() as client:
            step = 0
            while not self._over.is_set():
                step += 1
                body = {"step": [step], "values": {"loss": [1 / step]}}
                answer = client.post(f"/api/v1/runs/{self.run}/metrics", json=body)
                assert answer.status_code == 200, answer.text
                self.acknowledged.append(step)

    def _save(self) -> None:
        """As a worker does: the files, then the row; files of old ones go before their rows."""
        step = 100
        while not self._over.is_set():
            step += 1
            record_checkpoint(self.server.engine, self.artifacts, self.trained, step)
            with session_scope(self.server.engine) as session:
                kept = checkpoints.list(session, self.trained)
            for old in kept[2:]:
                shutil.rmtree(self.artifacts / old.path)
            with session_scope(self.server.engine) as session:
                checkpoints.forget(session, self.trained, [old.step for old in kept[2:]])
            self.saved += 1


@pytest.mark.parametrize(
    ("source", "target"),
    [
        pytest.param("sqlite", "postgres", marks=pytest.mark.postgres),
        pytest.param("postgres", "sqlite", marks=pytest.mark.postgres),
    ],
)
@pytest.mark.slow
def test_a_backup_under_load_restores_to_a_lab_that_shows_the_same(
    source: str,
    target: str,
    furnished: Callable[[str], House],
    houses: Houses,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    lab, restored = furnished(source), houses("restored", target)
    engine, secret = make_engine(lab.database_url), RELEASE.secret
    request.addfinalizer(engine.dispose)
    run, trained = record_run(engine), record_run(engine, status="running", points=1)
    with session_scope(engine) as session:
        session.execute(delete(Checkpoint))  # recorded without files
    record_checkpoint(engine, lab.artifacts, run, 40)
    file = tmp_path / "lab.etrm"

    with lab.server() as server, server.client() as client:
        run = client.post("/api/v1/runs/external", json={"name": "under load"}).json()["id"]
        load = Load(server, lab.artifacts, run, trained)
        load.start()
        eventually(lambda: len(load.acknowledged) > 20 and load.saved >= 2, "some points and checkpoints")
        before = len(load.acknowledged)
        done = etrm(lab.folder, "backup", str(file), **lab.variables)
        during = len(load.acknowledged) - before
        load.stop()
        assert done.returncode == 0, done.stderr
        assert during > 0, "nothing was logged while the backup was made"

        done = etrm(restored.folder, "restore", str(file), **restored.variables)
        assert done.returncode == 0, done.stderr
        with restored.server() as other, other.client() as other_client:
            steps = other_client.get(f"/api/v1/runs/{run}/series?max_points=100000").json()
            stored = steps["series"]["loss"]["step"]
            assert stored == list(range(1, len(stored) + 1)), "a hole, or a point twice"
            assert len(stored) >= before
            verify_checkpoints(other, restored.artifacts)
            for each in (client, other_client):
                forget(each, run)
            for each in (engine, other.engine):
                end(each, load.trained)
            first = answers(client, secret)
            now = answers(other_client, secret)
            told = blurred(first, answers(client, secret))
    assert [line for line in differences(told, now) if not line.strip().startswith(OF_THE_MOMENT)] == []


def verify_checkpoints(server: WebServer, artifacts: Path) -> None:
    """Every checkpoint that the database lists is there, with the sums that were written."""
    with reading_scope(server.engine) as session:
        listed = session.scalars(select(Checkpoint)).all()
    assert len(listed) >= 3
    for each in listed:
        manifest = (artifacts / each.path / MANIFEST).read_bytes()
        assert hashlib.sha256(manifest).hexdigest() == each.sha256
        for name, digest in json.loads(manifest)["sha256"].items():
            content = (artifacts / each.path / name).read_bytes()
            assert hashlib.sha256(content).hexdigest() == digest


def forget(client: httpx.Client, run: str) -> None:
    """Delete the run that was logged into: how far it came differs."""
    assert client.post(f"/api/v1/runs/{run}/finish").status_code == 200
    assert client.delete(f"/api/v1/runs/{run}").status_code in (200, 204)


def end(engine: Engine, run: str) -> None:
    """Delete the run that saved checkpoints, as its worker is no more."""
    with session_scope(engine) as session:
        session.delete(session.get(Run, run))
