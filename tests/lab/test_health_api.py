"""/healthz and /readyz, with everything well and with parts away."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import pytest
from sqlalchemy import text

from backend.db.session import make_engine, session_scope
from backend.lab.readiness import Parts, checks
from backend.workers import service as workers
from backend.workers.service import WorkerBeat
from tests.support.databases import PostgresDatabases, SqliteFiles
from tests.support.processes import PATIENCE, Lab
from tests.support.web import WebServer, events_of

Found = TypeVar("Found")


def test_a_process_that_is_alive_says_so_and_asks_nobody(server: WebServer) -> None:
    with server.stranger() as client:
        assert client.get("/healthz").json() == {"status": "ok"}


def test_the_lab_is_ready_with_a_worker_and_degraded_without(server: WebServer) -> None:
    well = {"ok": True, "message": ""}
    with server.stranger() as client:
        answer = client.get("/readyz")
        assert answer.status_code == 200
        no_worker = {"ok": False, "message": "No worker is online: runs wait until one starts (etrm worker)."}
        parts = dict.fromkeys(("database", "schema_version", "broker", "artifacts"), well)
        assert answer.json() == {"status": "degraded", **parts, "workers": no_worker}
        beat = WorkerBeat("host-9", "host", 9, "cpu", "", 0, None, time.time())
        with session_scope(server.engine) as session:
            workers.beat(session, beat)
        assert client.get("/readyz").json() == {"status": "ok", **parts, "workers": well}
        with session_scope(server.engine) as session:
            workers.sign_off(session, beat.id)


def in_a_loop(work: Coroutine[Any, Any, Found]) -> Found:
    """In a thread of its own: this one may have a browser's loop already."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("UPDATE alembic_version SET version_num = 'from-the-future'", "newer than this program"),
        ("UPDATE alembic_version SET version_num = 'audit_trail'", "Run etrm migrate"),
        ("DELETE FROM alembic_version", "Run etrm migrate"),
    ],
)
def test_another_schema_is_not_ready_and_the_words_say_what_to_do(
    sqlite_files: SqliteFiles, tmp_path: Path, change: str, words: str
) -> None:
    engine = make_engine(sqlite_files.new())
    with session_scope(engine) as session:
        session.execute(text(change))
    faults = in_a_loop(Parts(checks(engine, tmp_path)).ask())
    assert words in faults["schema_version"]
    assert faults["artifacts"] == ""


def test_an_artifacts_folder_that_cannot_be_written_is_told(sqlite_url: str, tmp_path: Path) -> None:
    in_the_way = tmp_path / "artifacts"
    in_the_way.write_text("a file")
    faults = in_a_loop(Parts(checks(make_engine(sqlite_url), in_the_way)).ask())
    assert "cannot be written" in faults["artifacts"]
    assert faults["database"] == ""


def test_a_part_that_never_answers_is_told_within_the_bound_and_keeps_one_thread() -> None:
    released, asked = threading.Event(), []

    def silent() -> str:
        asked.append(threading.get_ident())
        released.wait()
        return ""

    async def ask_three_times() -> list[dict[str, str]]:
        parts = Parts({"silent": silent, "well": lambda: ""}, patience=0.2)
        answers = [await parts.ask() for _ in range(3)]
        released.set()
        return [*answers, await parts.ask()]

    *before, after = in_a_loop(ask_three_times())
    assert before == [{"silent": "No answer within 0.2 s.", "well": ""}] * 3
    assert after == {"silent": "", "well": ""}
    assert len(asked) == 1


def test_a_part_that_never_answers_does_not_hold_up_the_end_of_the_server() -> None:
    program = """
import asyncio, threading
from backend.lab.readiness import Parts
print(asyncio.run(Parts({"silent": threading.Event().wait}, patience=0.05).ask()))
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE)
    assert "No answer" in ended.stdout


def test_on_postgresql_without_broker_runs_are_kept_and_a_lost_database_is_told(
    lab: Lab, postgres_databases: PostgresDatabases, tmp_path: Path
) -> None:
    database_url = postgres_databases.new()
    environment = lab.environment | {
        "ETRM_DATABASE_URL": database_url,
        "ETRM_BROKER_URL": "redis://127.0.0.1:1/0",
    }
    server = WebServer(tmp_path, environment)
    with server.client() as client:
        assert client.get("/readyz").json()["broker"]["ok"] is False
        run = client.post("/api/v1/runs/external", json={"name": "kept"}).json()["id"]
        body = {"step": [1, 2], "values": {"loss": [1.0, "NaN"]}}
        assert client.post(f"/api/v1/runs/{run}/metrics", json=body).status_code == 200
        client.post(f"/api/v1/runs/{run}/finish")
        with client.stream("GET", f"/api/v1/runs/{run}/events") as response:
            kinds = [event.kind for event in events_of(response)]
        assert kinds == ["points", "status", "end"]
        found = client.get("/api/v1/runs", params={"filter": 'name == "kept" and loss != 3'}).json()
        assert [each["id"] for each in found["runs"]] == [run]
        postgres_databases.drop(database_url)
        answer = client.get("/readyz")
        assert (answer.status_code, answer.json()["status"]) == (503, "down")
        refused = client.get("/api/v1/runs")
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "unavailable")
        assert "Traceback" not in refused.text
    server.stop()
