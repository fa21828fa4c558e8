"""`etrm doctor`: what it says of a lab that is well, and of each part that is not."""

from __future__ import annotations

import json
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from backend.db.session import make_engine, session_scope
from backend.operations.checks.finding import Finding, Level, ok
from backend.operations.doctor import examine, is_well
from backend.settings import Settings
from backend.workers import service as workers
from backend.workers.service import WorkerBeat
from tests.support.commands import output, typed
from tests.support.databases import PostgresDatabases
from tests.support.lab import etrm
from tests.support.processes import Lab
from tests.support.records.recorded import record_run
from tests.support.releases.kept import releases
from tests.support.web import WebServer


def doctor(home: Path, **variables: str) -> tuple[int, dict[str, list[dict[str, str]]]]:
    """The exit code, and the findings by part; nothing is in both an answer and an error."""
    done = typed(home, "doctor", "--json", **variables)
    answer = json.loads(done.stdout)
    assert answer["ok"] == (done.returncode == 0)
    parts: dict[str, list[dict[str, str]]] = {}
    for finding in answer["findings"]:
        parts.setdefault(finding["part"], []).append(finding)
        assert (finding["level"] == "ok") == (not finding["advice"]), "what to do, and only where there is"
    return done.returncode, parts


def test_a_lab_that_is_well(lab: Lab, server: WebServer) -> None:
    lab.artifacts.mkdir(exist_ok=True)
    variables = dict(lab.environment, ETRM_PORT=server.url.rpartition(":")[2])
    beat = WorkerBeat("host-7", "host", 7, "cuda", "NVIDIA H200", 0, None, time.time())
    with session_scope(lab.engine) as session:
        workers.beat(session, beat)
    try:
        status, found = doctor(lab.folder, **variables)
        assert status == 0
        for part in ("database", "broker", "web server", "workers", "clock", "artifacts"):
            assert [each["level"] for each in found[part]] == ["ok"], found[part]
        assert "NVIDIA H200" in found["workers"][0]["what"]
        assert {"machine", "devices", "packages", "disk", "settings", "checkpoints"} <= found.keys()
    finally:
        with session_scope(lab.engine) as session:
            workers.sign_off(session, beat.id)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A lab's folder with an empty database."""
    output(tmp_path, "migrate")
    return tmp_path


def test_in_words_each_part_has_a_line(home: Path) -> None:
    done = typed(home, "doctor")
    assert done.returncode == 0, done.stdout
    assert any(line.startswith("ok       database     SQLite") for line in done.stdout.splitlines())


def test_what_is_away_is_named_with_what_to_do(home: Path) -> None:
    status, found = doctor(home, ETRM_BROKER_URL="redis://:secret@127.0.0.1:1/0")
    assert (status, found["broker"][0]["level"]) == (1, "problem")
    assert "ETRM_BROKER_URL" in found["broker"][0]["advice"]
    assert "secret" not in str(found)
    status, found = doctor(home, ETRM_DATABASE_URL="postgresql://nobody:secret@127.0.0.1:1/none")
    assert (status, found["database"][0]["level"]) == (1, "problem")
    assert "secret" not in str(found)


def test_settings_that_nothing_reads_or_that_contradict(home: Path) -> None:
    status, found = doctor(home, ETRM_PROT="80", ETRM_NODES="2", ETRM_RENDEZVOUS="one:1", ETRM_HOST="0.0.0.0")
    said = " ".join(each["what"] + each["advice"] for each in found["settings"])
    assert "ETRM_PROT is set and not a setting. Did you mean 'ETRM_PORT'?" in said.replace(".Did", ". Did")
    assert "SQLite file serves one machine" in said
    assert "ETRM_ALLOWED_HOSTS" in said
    assert status == 0, "a lab may work all the same"


def test_a_setting_that_cannot_be_used_is_a_finding(home: Path) -> None:
    status, found = doctor(home, ETRM_PORT="eighty")
    assert (status, list(found)) == (1, ["settings"])
    assert "ETRM_PORT" in found["settings"][0]["what"]


@pytest.mark.parametrize("revision", [None, "from_the_future"])
def test_a_database_of_another_schema(tmp_path: Path, revision: str | None) -> None:
    url = releases()[0].as_sqlite(tmp_path)
    if revision:
        with sqlite3.connect(make_url(url).database or "") as connection:
            connection.execute("UPDATE alembic_version SET version_num = ?", [revision])
        connection.close()
    status, found = doctor(tmp_path)
    assert status == 1
    assert ("newer" if revision else "older") in found["database"][0]["what"]
    assert ("Update" if revision else "etrm migrate") in found["database"][0]["advice"]


def test_runs_that_wait_for_no_worker_and_checkpoints_without_files(home: Path) -> None:
    engine = make_engine(f"sqlite:///{home / 'etrm.sqlite3'}")
    record_run(engine)  # its checkpoint is a row alone
    record_run(engine, status="queued", points=0)
    engine.dispose()
    status, found = doctor(home)
    assert status == 1
    assert "1 run" in found["workers"][0]["what"]
    assert "ETRM_ARTIFACTS" in found["checkpoints"][0]["advice"]


def test_artifacts_that_cannot_be_written_and_a_disk_that_is_nearly_full(home: Path) -> None:
    file = home / "a file"
    file.touch()
    status, found = doctor(home, ETRM_ARTIFACTS=str(file))
    assert (status, found["artifacts"][0]["level"]) == (1, "problem")
    status, found = doctor(home, ETRM_MIN_FREE_GIB="99999999")
    assert (status, found["disk"][0]["level"]) == (1, "problem")
    assert "refused" in found["disk"][0]["what"]


@pytest.mark.parametrize(("ahead", "level"), [(5.0, "warning"), (-120.0, "problem")])
def test_a_clock_that_is_wrong(home: Path, monkeypatch: pytest.MonkeyPatch, ahead: float, level: str) -> None:
    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() + ahead)
    _, found = doctor(home)
    assert found["clock"][0]["level"] == level
    assert ("ahead" if ahead > 0 else "behind") in found["clock"][0]["what"]


def test_a_check_that_hangs_is_told_of_and_holds_up_no_other() -> None:
    over = threading.Event()

    def hangs(_settings: Settings) -> Iterator[Finding]:
        yield ok("first", "is well")
        over.wait()

    def breaks(_settings: Settings) -> Iterator[Finding]:
        raise LookupError("odd")

    checks: dict[str, Any] = {"first": hangs, "second": breaks, "third": lambda _: [ok("third", "is well")]}
    try:
        findings = examine(Settings.load(), checks, patience=0.5)
    finally:
        over.set()
    assert [(each.part, each.level) for each in findings] == [
        ("first", Level.OK),
        ("first", Level.PROBLEM),
        ("second", Level.PROBLEM),
        ("third", Level.OK),
    ]
    assert "has not answered" in findings[1].what
    assert not is_well(findings)


def test_a_database_that_accepts_and_never_answers_does_not_hang_it(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        url = f"postgresql://somebody@127.0.0.1:{port}/none"
        began = time.monotonic()
        done = etrm(home, "doctor", ETRM_DATABASE_URL=url)
    assert done.returncode == 1
    assert time.monotonic() - began < 60
    assert "Traceback" not in done.stderr


@pytest.mark.postgres
def test_a_postgresql_of_this_schema(home: Path, postgres_databases: PostgresDatabases) -> None:
    url = postgres_databases.new()
    _, found = doctor(home, ETRM_DATABASE_URL=url)
    assert found["database"][0]["what"].startswith("PostgreSQL ")
    assert found["database"][0]["level"] == "ok"
    assert found["clock"][0]["level"] == "ok"
    postgres_databases.drop(url)
