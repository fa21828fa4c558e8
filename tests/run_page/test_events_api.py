"""Server-sent events: nothing is lost, nothing is waited for, and the server can stop."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from redis import Redis
from sqlalchemy import Engine

from backend.db.session import session_scope
from backend.domain.records import EvaluationKey, EvaluationSummary, LogLine, MetricFrame, Score, TestOutcome
from backend.evaluation import outcomes as predictions
from backend.lifecycle import external_runs
from backend.lifecycle import service as runs
from backend.metrics import service as series
from backend.people import service as people
from backend.people import sessions
from backend.queue import claims as queue
from backend.runs import logs
from backend.web import notify
from tests.support.processes import Lab, eventually
from tests.support.web import Event, WebServer, events_of

PATIENCE = httpx.Timeout(120)  # a heartbeat comes every 10 s, so the connection itself is never silent


def write(engine: Engine, run: str, *steps: int, name: str = "loss") -> None:
    """Points whose value is their step, committed and announced as a worker does."""
    values = {name: [float(step) for step in steps]}
    with session_scope(engine) as session:
        series.append(session, run, MetricFrame(steps, [1.0] * len(steps), values))
    notify.run_changed(run)


def say(engine: Engine, run: str, *lines: str) -> None:
    with session_scope(engine) as session:
        logs.append(session, run, [LogLine(1.0, "info", line) for line in lines])
    notify.run_changed(run)


def finish(engine: Engine, run: str) -> None:
    with session_scope(engine) as session:
        external_runs.finish(session, run)
    notify.run_changed(run)


def until(events: Iterator[Event], kind: str) -> list[Event]:
    """The events up to the first of this kind."""
    seen = []
    for event in events:
        seen.append(event)
        if event.kind == kind:
            return seen
    raise AssertionError(f"the stream ended without {kind}: {[each.kind for each in seen]}")


def steps_in(events: list[Event]) -> list[int]:
    return [
        step
        for event in events
        if event.kind == "points"
        for step in event.data["series"].get("loss", {}).get("step", [])
    ]


def lines_in(events: list[Event]) -> list[str]:
    return [line["text"] for event in events if event.kind == "log" for line in event.data["lines"]]


def test_a_stream_tells_what_was_and_what_comes_and_ends_with_the_run(
    client: httpx.Client, external: str, database: Engine
) -> None:
    write(database, external, 1, 2)
    say(database, external, "hello")
    with client.stream("GET", f"/api/v1/runs/{external}/events", timeout=PATIENCE) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        events = events_of(response)
        first = until(events, "status")
        assert [event.kind for event in first] == ["points", "log", "status"]
        assert first[0].data["series"]["loss"]["step"] == [1, 2]
        assert first[0].data["series"]["loss"]["value"] == [1.0, 2.0]
        assert first[2].data["status"] == "running"
        write(database, external, 3)
        assert steps_in(until(events, "points")) == [3]
        say(database, external, "still here")
        assert lines_in(until(events, "log")) == ["still here"]
        finish(database, external)
        last = until(events, "end")
        assert {event.kind for event in last[:-1]} == {"status"}  # of the points before, too
        assert last[-2].data["status"] == "finished"
        assert last[-1].data == {"status": "finished"}
        assert list(events) == []


def test_a_point_arrives_well_within_the_second(
    client: httpx.Client, external: str, database: Engine
) -> None:
    with client.stream("GET", f"/api/v1/runs/{external}/events", timeout=PATIENCE) as response:
        events = events_of(response)
        until(events, "status")
        write(database, external, 1)
        until(events, "points")  # by now the stream listens to the broker
        delays = []
        for step in range(2, 10):
            begin = time.monotonic()
            write(database, external, step)
            until(events, "points")
            delays.append(time.monotonic() - begin)
    # The stream's own look at the database comes 2 s after the last: without the broker all take so long.
    assert min(delays) < 1.0, delays


def test_points_arrive_although_the_broker_said_nothing(
    client: httpx.Client, external: str, database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ETRM_BROKER_URL")  # this process's notifications go nowhere
    with client.stream("GET", f"/api/v1/runs/{external}/events", timeout=PATIENCE) as response:
        events = events_of(response)
        until(events, "status")
        write(database, external, 7)
        assert steps_in(until(events, "points")) == [7]


@pytest.mark.parametrize("by_header", [True, False])
def test_a_lost_connection_catches_up_from_its_last_event(
    client: httpx.Client, external: str, database: Engine, by_header: bool
) -> None:
    path = f"/api/v1/runs/{external}/events"
    write(database, external, 1, 2)
    say(database, external, "one")
    with client.stream("GET", path, timeout=PATIENCE) as response:
        seen = until(events_of(response), "status")
    write(database, external, 3, 4)
    say(database, external, "two", "three")
    again = {"headers": {"Last-Event-ID": seen[-1].id}} if by_header else {"params": {"cursor": seen[-1].id}}
    with client.stream("GET", path, timeout=PATIENCE, **again) as response:  # type: ignore[arg-type]
        missed = until(events_of(response), "status")
    assert steps_in(missed) == [3, 4]
    assert lines_in(missed) == ["two", "three"]
    finish(database, external)
    with client.stream("GET", path, timeout=PATIENCE, headers={"Last-Event-ID": missed[-1].id}) as response:
        assert [event.kind for event in events_of(response)] == ["status", "end"]


def test_who_shows_a_run_as_it_is_is_told_only_what_changes(
    client: httpx.Client, external: str, database: Engine
) -> None:
    path = f"/api/v1/runs/{external}/events"
    with session_scope(database) as session:
        state = runs.get(session, external).state
    with client.stream("GET", path, timeout=PATIENCE, params={"known": state}) as response:
        events = events_of(response)
        write(database, external, 1)
        assert next(events).kind == "points"
        finish(database, external)
        assert [event.data["status"] for event in until(events, "end")][-1] == "finished"
    with client.stream("GET", path, timeout=PATIENCE, params={"known": state}) as response:
        assert "status" in [event.kind for event in events_of(response)]  # it is another state now


def test_the_cursor_of_a_series_is_where_its_stream_goes_on(
    client: httpx.Client, external: str, database: Engine
) -> None:
    write(database, external, 1, 2)
    version = client.get(f"/api/v1/runs/{external}/series").json()["version"]
    write(database, external, 3)
    with client.stream(
        "GET", f"/api/v1/runs/{external}/events", params={"cursor": f"{version}.0"}, timeout=PATIENCE
    ) as response:
        assert steps_in(until(events_of(response), "status")) == [3]


@pytest.mark.parametrize("cursor", ["x", "1.x", "-1.0", "1.2.3"])
def test_a_cursor_that_is_none_is_refused(client: httpx.Client, external: str, cursor: str) -> None:
    answer = client.get(f"/api/v1/runs/{external}/events", params={"cursor": cursor})
    assert answer.status_code == 422
    assert answer.json()["error"]["fields"][0]["field"] == "cursor"


def test_an_evaluation_streams_its_progress_and_its_result(
    client: httpx.Client, queued: str, database: Engine
) -> None:
    key = EvaluationKey("arc-agi-1/evaluation", 10, "ema", 8, 4, ("a", "b"))
    with client.stream("GET", f"/api/v1/runs/{queued}/events", timeout=PATIENCE) as response:
        events = events_of(response)
        until(events, "status")
        with session_scope(database) as session:
            evaluation = predictions.start_evaluation(session, queued, key)
            predictions.add_outcome(session, evaluation, TestOutcome("a", 0, 8, None, ()))
        notify.run_changed(queued)
        begun = until(events, "evaluation")[-1].data
        assert (begun["set"], begun["status"], begun["scored"], begun["n"]) == (
            "arc-agi-1/evaluation",
            "running",
            1,
            2,
        )
        with session_scope(database) as session:
            summary = EvaluationSummary(key, {1: Score(1, 2)})
            predictions.finish_evaluation(session, evaluation, summary)
        notify.run_changed(queued)
        done = until(events, "evaluation")[-1].data
    assert (done["status"], done["passes"][0]["share"]) == ("finished", 0.5)


def test_a_deleted_run_ends_its_stream(client: httpx.Client, external: str, database: Engine) -> None:
    client.post(f"/api/v1/runs/{external}/metrics", json={"step": [1], "values": {"loss": [1]}})
    with client.stream("GET", f"/api/v1/runs/{external}/events", timeout=PATIENCE) as response:
        events = events_of(response)
        until(events, "status")
        with session_scope(database) as session:
            external_runs.finish(session, external)
            runs.delete(session, external)
        notify.run_changed(external)
        assert until(events, "end")[-1].data == {"deleted": True}


def test_the_table_follows_new_changed_and_deleted_runs(client: httpx.Client, queued: str) -> None:
    with client.stream("GET", "/api/v1/events", timeout=PATIENCE) as response:
        events = events_of(response)
        told = next(event.data for event in events if event.data["id"] == queued)
        assert (told["status"], "config" in told) == ("queued", False)
        new = client.post(f"/api/v1/runs/{queued}/clone").json()["id"]
        assert next(event.data["status"] for event in events if event.data["id"] == new) == "queued"
        client.post(f"/api/v1/runs/{new}/cancel")
        changed = next(event for event in events if event.data["id"] == new)
        assert (changed.kind, changed.data["status"]) == ("status", "cancelled")
        client.delete(f"/api/v1/runs/{new}")
        assert next(event.kind for event in events if event.data["id"] == new) == "deleted"


def test_many_open_streams_hold_no_database_connection(
    client: httpx.Client, external: str, server: WebServer
) -> None:
    limits = httpx.Limits(max_connections=100)
    with server.client(limits=limits) as many:
        opened = [
            many.send(many.build_request("GET", f"/api/v1/runs/{external}/events"), stream=True)
            for _ in range(30)
        ]
        for response in opened:
            until(events_of(response), "status")
        for _ in range(5):  # without a free connection the answer is an error, after half a minute
            assert client.get(f"/api/v1/runs/{external}").status_code == 200
        for response in opened:
            response.close()


def test_however_many_streams_the_server_listens_to_the_broker_once(
    client: httpx.Client, external: str, server: WebServer, lab: Lab
) -> None:
    path = f"/api/v1/runs/{external}/events"
    with server.client(limits=httpx.Limits(max_connections=30)) as many, ExitStack() as opened:
        for _ in range(20):
            until(events_of(opened.enter_context(many.stream("GET", path, timeout=PATIENCE))), "status")
        with Redis.from_url(lab.environment["ETRM_BROKER_URL"]) as broker:
            eventually(lambda: len(broker.client_list(_type="pubsub")) == 1, "a single listener")


def test_streams_that_are_cut_off_leave_no_traceback_and_free_their_places(lab: Lab, tmp_path: Path) -> None:
    server = WebServer(tmp_path, lab.environment | {"ETRM_STREAMS_PER_PERSON": "10"})
    with server.client() as client:
        run = client.post("/api/v1/runs/external", json={"name": "x"}).json()["id"]
        paths = (f"/api/v1/runs/{run}/events", "/api/v1/events", "/api/v1/queue/events")
        for _ in range(4):  # more in all than may be open at once
            for path in paths:
                abandoned(server, path)
                abandoned(server, path, after=b"retry: 2000")

        def is_free() -> bool:
            with client.stream("GET", paths[0]) as response:
                return response.status_code == 200

        eventually(is_free, "a free place")
        assert client.post(f"/api/v1/runs/{run}/metrics", json={"step": [1], "values": {"a": [1]}}).is_success
    server.stop()
    assert "Traceback" not in server.log.read_text()
    assert "ERROR" not in server.log.read_text()


def abandoned(server: WebServer, path: str, after: bytes = b"") -> None:
    """Ask for a stream and break the connection at once, or when this came."""
    host, _, port = server.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))) as connection:
        request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {server.token}\r\n\r\n"
        connection.sendall(request.encode())
        came = b""
        while after not in came and b" 429 " not in came:
            came += connection.recv(4096)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # reset, not end


def test_over_a_limit_a_stream_is_refused_with_429_and_when_to_ask_again(lab: Lab, tmp_path: Path) -> None:
    limits = {"ETRM_STREAMS": "3", "ETRM_STREAMS_PER_PERSON": "2"}
    server = WebServer(tmp_path, lab.environment | limits)
    with session_scope(server.engine) as session:
        people.add_person(session, f"ada-{server.process.pid}", "viewer")
        token = people.create_token(session, f"of-ada-{server.process.pid}", f"ada-{server.process.pid}")
    viewer = {"Authorization": f"Bearer {token}"}
    with server.client() as owner, server.stranger(headers=viewer) as ada, ExitStack() as opened:
        for _ in range(2):
            assert opened.enter_context(ada.stream("GET", "/api/v1/events")).status_code == 200
        refused = ada.get("/api/v1/queue/events")
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "30")
        error = refused.json()["error"]
        assert error["code"] == "too_many_requests"
        assert f"ada-{server.process.pid} already has 2 live connections" in error["message"]
        assert opened.enter_context(owner.stream("GET", "/api/v1/events")).status_code == 200
        full = owner.get("/api/v1/events")
        assert (full.status_code, "already has 3" in full.json()["error"]["message"]) == (429, True)
        assert ada.get("/api/v1/runs").status_code == 200  # what is no stream is not limited
    server.stop()


@pytest.mark.parametrize("way", ["token", "session", "token of the session", "person"])
def test_a_stream_ends_soon_after_what_let_it_in_has_ended(
    server: WebServer, client: httpx.Client, external: str, database: Engine, way: str
) -> None:
    name = f"{way}-{external}"
    with session_scope(database) as session:
        people.add_person(session, name, "viewer")
        token = people.create_token(session, name, name)
        secret = people.log_in_with_token(session, token)
    cookie = f"etrm_session_{server.url.rpartition(':')[2]}={secret}"
    headers = {"Cookie": cookie} if "session" in way else {"Authorization": f"Bearer {token}"}
    with (
        server.stranger(headers=headers) as ada,
        ada.stream("GET", f"/api/v1/runs/{external}/events", timeout=PATIENCE) as response,
        client.stream("GET", f"/api/v1/runs/{external}/events", timeout=PATIENCE) as other,
    ):
        events, others = events_of(response), events_of(other)
        until(events, "status")
        until(others, "status")
        with session_scope(database) as session:
            if way.startswith("token"):
                people.revoke_token(session, name)
            elif way == "session":
                identity = people.check_session(session, secret)
                assert identity
                sessions.log_out(session, identity)
            else:
                people.remove_person(session, name)
        assert list(events) == []
        write(database, external, 1)
        assert steps_in(until(others, "points")) == [1]


def test_the_server_stops_at_once_although_streams_are_open(lab: Lab, tmp_path: Path) -> None:
    server = WebServer(tmp_path, lab.environment)
    with server.client() as client:
        run = client.post("/api/v1/runs/external", json={"name": "x"}).json()["id"]
        with (
            client.stream("GET", f"/api/v1/runs/{run}/events") as one,
            client.stream("GET", "/api/v1/events") as other,
        ):
            of_run, of_table = events_of(one), events_of(other)
            until(of_run, "status")
            until(of_table, "status")
            server.process.terminate()
            assert "end" not in [event.kind for event in of_run]  # a clean close, not an error
            list(of_table)
            server.process.wait(timeout=60)
    server.stop()
    said = server.log.read_text()
    assert "Traceback" not in said
    assert "Cancel" not in said


def test_a_run_that_is_taken_and_finished_shows_each_status(
    client: httpx.Client, queued: str, database: Engine
) -> None:
    with client.stream("GET", f"/api/v1/runs/{queued}/events", timeout=PATIENCE) as response:
        events = events_of(response)
        assert until(events, "status")[-1].data["status"] == "queued"
        with session_scope(database) as session:
            claim = queue.claim(session, queued, "host-1")
        assert claim
        notify.run_changed(queued)
        assert until(events, "status")[-1].data["status"] == "running"
        with session_scope(database) as session:
            queue.finish(session, claim)
        notify.run_changed(queued)
        assert until(events, "status")[-1].data["status"] == "finished"
        assert until(events, "end")
