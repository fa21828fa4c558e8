"""/metrics: who may read it, and that its figures are those of the lab, in few series."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx
from prometheus_client.parser import text_string_to_metric_families

from backend.db.session import session_scope
from backend.people import service as accounts
from backend.workers import service as workers
from backend.workers.service import WorkerBeat
from tests.support.processes import eventually
from tests.support.web import WebServer

Labels = frozenset[tuple[str, str]]
Samples = dict[tuple[str, Labels], float]


def scraped(client: httpx.Client) -> Samples:
    """Name and labels -> value, as Prometheus' own parser reads them."""
    answer = client.get("/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples.get((name, frozenset(labels.items())), 0.0)


def test_a_stranger_sees_nothing_and_a_token_that_may_read_is_enough(server: WebServer) -> None:
    with session_scope(server.engine) as session:
        token = accounts.create_token(session, "prometheus", scope="read")
    with server.stranger() as client:
        refused = client.get("/metrics")
        assert refused.status_code == 401
        assert "etrm_" not in refused.text
        client.headers["Authorization"] = f"Bearer {token}"
        assert value(scraped(client), "process_resident_memory_bytes") > 1e7


def test_requests_are_counted_by_route_and_status_never_by_address(
    server: WebServer, client: httpx.Client, external: str
) -> None:
    before = scraped(client)
    for name in (external, "nothinghere", "neithere00"):
        client.get(f"/api/v1/runs/{name}")
    for at in range(20):
        client.get(f"/api/v1/no/such/{at}")
        client.get(f"/nowhere-{at}")
    with server.stranger() as stranger:
        stranger.get(f"/api/v1/runs/{external}")
        stranger.request("BREW", "/coffee")
    after = scraped(client)

    def more(**labels: str) -> float:
        name = "etrm_http_requests_total"
        return value(after, name, **labels) - value(before, name, **labels)

    route = "/api/v1/runs/{run_id}"
    assert more(method="GET", route=route, status="200") == 1
    assert more(method="GET", route=route, status="404") == 2
    assert more(method="GET", route=route, status="401") == 1
    assert more(method="GET", route="other", status="404") == 40
    took = value(after, "etrm_http_response_seconds_count", method="GET", route=route)
    assert took - value(before, "etrm_http_response_seconds_count", method="GET", route=route) == 4
    told = {text for _, labels in after for _, text in labels}
    assert not {each for each in told if external in each or "nowhere" in each or "BREW" in each}


def test_points_runs_and_workers_are_those_of_the_lab(
    server: WebServer, client: httpx.Client, external: str
) -> None:
    before = scraped(client)
    body = {"step": [1, 2, 3], "values": {"loss": [1.0, "NaN", 0.5], "accuracy": [0.1, None, 0.3]}}
    assert client.post(f"/api/v1/runs/{external}/metrics", json=body).status_code == 200
    assert client.post(f"/api/v1/runs/{external}/metrics", json={"step": "odd"}).status_code == 422
    client.post("/api/v1/runs", json={"preset": "quick"})
    beats = [WorkerBeat(f"host-{at}", "host", at, "cpu", "", 0, None, time.time()) for at in (1, 2)]
    with session_scope(server.engine) as session:
        for beat in beats:
            workers.beat(session, beat)
    after = scraped(client)
    with session_scope(server.engine) as session:
        for beat in beats:
            workers.sign_off(session, beat.id)

    def more(name: str, **labels: str) -> float:
        return value(after, name, **labels) - value(before, name, **labels)

    assert more("etrm_points_accepted_total") == 5
    assert more("etrm_runs", status="queued") == 1
    assert more("etrm_runs", status="running") == 0
    assert more("etrm_workers", state="idle") == 2
    assert value(after, "etrm_artifacts_free_bytes") > 0


def test_the_use_of_a_workers_device_is_a_gauge_and_stands_on_the_queue_page(
    server: WebServer, client: httpx.Client
) -> None:
    told = WorkerBeat(
        "gpu-1", "gpu", 1, "cuda", "", 80 << 30, None, time.time(), utilisation=0.74, memory_used=20 << 30
    )
    silent = WorkerBeat("gpu-2", "gpu", 2, "cuda", "", 80 << 30, None, time.time())  # of before, or no NVML
    with session_scope(server.engine) as session:
        for beat in (told, silent):
            workers.beat(session, beat)
    samples = scraped(client)
    page = client.get("/queue").text
    listed = {each["id"]: each for each in client.get("/api/v1/workers").json()}
    with session_scope(server.engine) as session:
        for beat in (told, silent):
            workers.sign_off(session, beat.id)
    assert value(samples, "etrm_worker_utilisation", worker="gpu-1") == 0.74
    assert value(samples, "etrm_worker_memory_used_bytes", worker="gpu-1") == 20 << 30
    assert value(samples, "etrm_worker_memory_bytes", worker="gpu-2") == 80 << 30
    assert ("etrm_worker_utilisation", frozenset({("worker", "gpu-2")})) not in samples
    assert "74 %" in page.replace("\u202f", " ").replace("\xa0", " ")
    assert (listed["gpu-1"]["utilisation"], listed["gpu-2"]["utilisation"]) == (0.74, None)


def test_open_streams_are_counted_while_they_are_open(client: httpx.Client, external: str) -> None:
    def open_streams(expected: float) -> Callable[[], bool]:
        return lambda: value(scraped(client), "etrm_streams_open") == expected

    before = value(scraped(client), "etrm_streams_open")
    with client.stream("GET", f"/api/v1/runs/{external}/events") as response:
        assert response.status_code == 200
        eventually(open_streams(before + 1), "the stream to be counted")
    eventually(open_streams(before), "the stream to be gone")
