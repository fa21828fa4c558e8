"""A script of somebody's own against a real server: it falls silent, is lost, is heard again, and ends.

The server sweeps alone; no worker is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.passing_time import elapse
from tests.support.processes import eventually
from tests.support.web import WebServer, events_of


@pytest.fixture
def alone(tmp_path: Path, database_url: str) -> Iterator[WebServer]:
    """A lab that is a web server and a database: no broker and no worker."""
    server = WebServer(tmp_path, {"ETRM_HOME": str(tmp_path), "ETRM_DATABASE_URL": database_url})
    try:
        yield server
    finally:
        server.stop()


def begin(client: httpx.Client, **more: Any) -> str:
    made = client.post("/api/v1/runs/external", json={"name": "mine"} | more)
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


def log(client: httpx.Client, run_id: str, *steps: int) -> httpx.Response:
    body = {"step": steps, "values": {"loss": [1 / (1 + step) for step in steps]}}
    return client.post(f"/api/v1/runs/{run_id}/metrics", json=body)


def test_a_dead_script_is_silent_then_lost_then_heard_again_and_nothing_is_lost_or_doubled(
    alone: WebServer,
) -> None:
    with alone.client() as client:
        run_id = begin(client, heartbeat_seconds=600)
        assert log(client, run_id, 1, 2).status_code == 200
        with client.stream("GET", f"/api/v1/runs/{run_id}/events") as response:
            told = (event.data for event in events_of(response) if event.kind == "status")
            assert next(told)["heartbeat"]["silent_since"] is None
            elapse(alone.engine, 601)
            silent = next(run for run in told if run["heartbeat"]["silent_since"] is not None)
            assert silent["status"] == "running"
            assert "silent since" in client.get(f"/runs/{run_id}").text
            assert "silent since" in client.get("/").text
            elapse(alone.engine, 60)
            lost = next(run for run in told if run["status"] == "lost")
            assert lost["status_cause"].endswith("promised a heartbeat within 10 min")
        page = client.get(f"/runs/{run_id}").text
        assert lost["status_cause"] in page
        found = client.get("/api/v1/runs", params={"status": "lost"}).json()
        assert [run["id"] for run in found["runs"]] == [run_id]

        assert log(client, run_id, 2, 3).status_code == 200  # the retry of a call without an answer
        run = client.get(f"/api/v1/runs/{run_id}").json()
        assert (run["status"], run["status_cause"], run["step"]) == ("running", "", 3)
        assert client.get(f"/api/v1/runs/{run_id}/series").json()["series"]["loss"]["step"] == [1, 2, 3]
        history = client.get(f"/api/v1/runs/{run_id}/history").json()
        assert [each["kind"] for each in history] == ["started", "lost", "resumed"]

        elapse(alone.engine, 700)
        read = f"/api/v1/runs/{run_id}"
        eventually(lambda: client.get(read).json()["status"] == "lost", "the next loss")
        ended = client.post(f"{read}/finish", json={"status": "failed", "cause": "the host died"})
        assert (ended.status_code, ended.json()["status"]) == (200, "failed")
        refused = client.post(f"{read}/heartbeat")
        assert refused.status_code == 409
        assert "is failed and cannot be logged to" in refused.json()["error"]["message"]


def test_a_heartbeat_says_when_the_next_is_due_within_bounds(
    client: httpx.Client, external: str, queued: str
) -> None:
    path = f"/api/v1/runs/{external}/heartbeat"

    def due() -> tuple[float, float]:
        beat = client.get(f"/api/v1/runs/{external}").json()["heartbeat"]
        return beat["due_at"], beat["due_at"] - beat["last_at"]

    plain = client.post(path)
    assert plain.status_code == 200, plain.text
    assert due() == (plain.json()["due_at"], pytest.approx(30, abs=0.1))
    longer = client.post(path, json={"next_within": 3600})
    assert due() == (longer.json()["due_at"], pytest.approx(3600, abs=0.1))
    assert client.post(path).json() == longer.json()  # the longer promise stands
    for wrong in (0, 3601, "soon"):
        answer = client.post(path, json={"next_within": wrong})
        assert answer.status_code == 422
        assert answer.json()["error"]["fields"][0]["field"] == "next_within"
    for seconds in (0.5, 4000):
        body = {"name": "mine", "heartbeat_seconds": seconds}
        assert client.post("/api/v1/runs/external", json=body).status_code == 422
    assert client.post(f"/api/v1/runs/{queued}/heartbeat").status_code == 409
    assert client.post("/api/v1/runs/nosuchrun0/heartbeat").status_code == 404
