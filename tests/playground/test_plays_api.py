"""The playground over HTTP, without a worker: who may ask, what waits, what the page shows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine

from backend.db.session import session_scope
from backend.domain.play import Neighbours, PlayResult
from backend.people import service as accounts
from backend.playground import claims
from tests.support.records.recorded import record_run
from tests.support.web import WebServer, events_of

PAIR = {"input": [[1, 2]], "output": [[2, 1]]}
TASK: dict[str, Any] = {"train": [PAIR, PAIR], "test": [PAIR]}


@pytest.fixture
def run(database: Engine) -> str:
    return record_run(database)


@pytest.fixture
def asked(client: httpx.Client, run: str) -> Iterator[dict[str, Any]]:
    answer = client.post("/api/v1/plays", json={"task": TASK, "run": run})
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"] == f"/api/v1/plays/{answer.json()['id']}"
    yield answer.json()
    client.post(f"/api/v1/plays/{answer.json()['id']}/cancel")


def test_a_page_follows_a_play_to_its_end(
    client: httpx.Client, database: Engine, asked: dict[str, Any]
) -> None:
    with client.stream("GET", f"/api/v1/plays/{asked['id']}/events") as response:
        events = events_of(response)
        assert next(events).data["status"] == "queued"
        with session_scope(database) as session:
            held = claims.claim(session, "host.1.2.3")
            assert held is not None
            assert held.play_id == asked["id"]
        assert next(each for each in events if each.data["status"] != "queued").data["status"] == "running"
        with session_scope(database) as session:
            claims.finish(session, held, PlayResult((), "CPU", 0.5, 0.0))
        assert next(each for each in events if each.data["status"] != "running").data["seconds"] == 0.5
        with session_scope(database) as session:
            claims.add_neighbours(session, held.play_id, Neighbours((), 0, "No encoder."))
        assert next(each for each in events if each.data["neighbours"]).kind == "play"
        assert next(events).kind == "end"


def test_a_link_opens_what_was_asked(client: httpx.Client, asked: dict[str, Any], run: str) -> None:
    assert client.post(f"/api/v1/plays/{asked['id']}/keep").json()["kept"] is True
    page = client.get(f"/play/{asked['id']}", headers={"Accept": "text/html"})
    assert page.status_code == 200
    assert run in page.text
    assert "[[1, 2]]" in page.text
    gone = client.get("/play/nosuchplay", headers={"Accept": "text/html"})
    assert gone.status_code == 404
    assert "deleted after a day" in gone.text


def test_the_page_begins_with_a_task_of_a_set(client: httpx.Client, run: str) -> None:
    page = client.get(
        "/play",
        params={"set": "arc-agi-1/training", "task": "007bbfb7", "run": run},
        headers={"Accept": "text/html"},
    )
    assert page.status_code == 200
    assert "007bbfb7" in page.text
    assert client.get("/play", params={"set": "arc-agi-1/training", "task": "no"}).status_code == 404


def test_viewers_look_and_editors_ask(
    server: WebServer, database: Engine, asked: dict[str, Any], run: str
) -> None:
    with session_scope(database) as session:
        accounts.add_person(session, "Vera plays", "viewer")
        link = accounts.invite(session, "Vera plays")
    with server.stranger(headers={"Origin": server.url, "Accept": "text/html"}) as browser:
        assert browser.get(link if link.startswith("/") else f"/login?token={link}").status_code in (200, 303)
        assert browser.get(f"/play/{asked['id']}").status_code == 200
        assert browser.get(f"/api/v1/plays/{asked['id']}").status_code == 200
        refused = browser.post("/api/v1/plays", json={"task": TASK, "run": run})
        assert refused.status_code == 403


def test_a_drawn_task_is_saved_in_a_set(client: httpx.Client) -> None:
    def save(name: str, task_id: str, task: Any) -> httpx.Response:
        return client.post(f"/api/v1/sets/{name}/tasks", json={"id": task_id, "task": task})

    assert save("drawn/mine", "one", TASK).status_code == 201
    assert (
        save("drawn/mine", "two", TASK | {"left_out": []}).json()["demonstrations"]
        == [{"input": "12", "output": "21"}] * 2
    )
    assert save("drawn/mine", "one", TASK).status_code == 201  # the same again
    assert client.get("/api/v1/sets/drawn/mine/tasks").json() == ["one", "two"]
    other = {"train": [PAIR], "test": [PAIR]}
    assert save("drawn/mine", "one", other).status_code == 409
    assert save("arc-agi-1/training", "one", TASK).status_code == 422
    assert save("drawn/mine", "train", TASK).status_code == 422
    assert save("drawn/mine", "three", {"train": []}).status_code == 422
