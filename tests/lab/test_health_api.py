"""/healthz, with everything well and with the broker or the database away."""

from __future__ import annotations

import time
from pathlib import Path

from backend.db.session import session_scope
from backend.workers import service as workers
from backend.workers.service import WorkerBeat
from tests.support.databases import PostgresDatabases
from tests.support.processes import Lab
from tests.support.web import WebServer, events_of


def test_health_is_ok_with_a_worker_and_degraded_without(server: WebServer) -> None:
    with server.stranger() as client:
        assert client.get("/healthz").json() == {
            "status": "degraded",
            "database": True,
            "broker": True,
            "workers": 0,
        }
        beat = WorkerBeat("host-9", "host", 9, "cpu", "", 0, None, time.time())
        with session_scope(server.engine) as session:
            workers.beat(session, beat)
        assert client.get("/healthz").json()["status"] == "ok"
        with session_scope(server.engine) as session:
            workers.sign_off(session, beat.id)


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
        assert client.get("/healthz").json()["broker"] is False
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
        answer = client.get("/healthz")
        assert (answer.status_code, answer.json()["status"]) == (503, "down")
        refused = client.get("/api/v1/runs")
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "unavailable")
        assert "Traceback" not in refused.text
    server.stop()
