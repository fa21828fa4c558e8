"""The playground over HTTP, without a worker: who may ask, what waits, what the page shows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine

from backend.db.session import session_scope
from backend.domain.arc.grid import Grid
from backend.domain.play import BetweenRequest, Neighbours, PlayResult
from backend.domain.way import Way, WayPoint
from backend.people import service as accounts
from backend.playground import claims
from tests.support.records.recorded import record_run
from tests.support.web import WebServer, events_of

PAIR = {"input": [[1, 2]], "output": [[2, 1]]}
TASK: dict[str, Any] = {"train": [PAIR, PAIR], "test": [PAIR]}


@pytest.fixture
def run(database: Engine) -> str:
    return record_run(database, points=2)  # a long write would keep the server from its own


@pytest.fixture
def asked(client: httpx.Client, run: str) -> Iterator[dict[str, Any]]:
    answer = client.post("/api/v1/plays", json={"task": TASK, "run": run})
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"] == f"/api/v1/plays/{answer.json()['id']}"
    yield answer.json()
    client.post(f"/api/v1/plays/{answer.json()['id']}/cancel")


SET = "arc-agi-1/training"
BETWEEN = {"first": f"{SET}/0520fde7", "second": f"{SET}/0ca9ddb6"}


@pytest.fixture
def way(client: httpx.Client, run: str) -> Iterator[dict[str, Any]]:
    """What was asked between two contexts of a run."""
    answer = client.post("/api/v1/plays/between", json={"run": run, "points": 3, **BETWEEN})
    assert answer.status_code == 201, answer.text
    yield answer.json()
    client.post(f"/api/v1/plays/{answer.json()['id']}/cancel")


def test_a_way_between_two_contexts_is_over_with_its_answers(
    client: httpx.Client, database: Engine, way: dict[str, Any]
) -> None:
    assert (way["status"], way["way"], way["request"]["kind"]) == ("queued", None, "between")
    grids = [Grid.from_digits(digits) for digits in ("12", "11", "21")]
    points = tuple(WayPoint(at / 2, grid, 0.5, 0.25) for at, grid in enumerate(grids))
    with client.stream("GET", f"/api/v1/plays/{way['id']}/events") as response:
        events = events_of(response)
        assert next(events).data["status"] == "queued"
        with session_scope(database) as session:
            held = claims.claim(session, "host.1.2.3")
            assert held is not None
            found = claims.asked(session, held)
            assert found is not None
            assert isinstance(found.request, BetweenRequest)
            result = PlayResult((), "CPU", 0.5, 0.0, way=Way(grids[0], None, points))
            claims.finish(session, held, result)
        answers = next(each for each in events if each.data["status"] == "finished").data["way"]
        assert next(events).kind == "end"
    assert (answers["asked"], answers["truth"]) == ("12", None)
    assert [each["equals"] for each in answers["points"]] == ["first", "neither", "second"]


def test_a_link_to_a_way_leads_to_the_atlas(client: httpx.Client, way: dict[str, Any], run: str) -> None:
    answer = client.get(f"/play/{way['id']}", headers={"Accept": "text/html"}, follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"/atlas?runs={run}&between={way['id']}"
    page = client.get(answer.headers["Location"], headers={"Accept": "text/html"})
    assert page.status_code == 200


REFUSED: tuple[tuple[dict[str, Any], int, str], ...] = (
    ({"second": "0ca9ddb6"}, 422, "not a set and a task"),
    ({"second": f"{SET}/0ca9ddb7"}, 404, "0ca9ddb7"),
    ({"first": "no-such-set/a"}, 404, "no-such-set"),
    ({"test": 7}, 422, "is 7; task 0520fde7 has 1"),
    ({"second": f"{SET}/00d62c1b"}, 422, "with the first; the largest has 10"),
    ({"points": 1}, 422, "points"),
    ({"step": 31}, 404, "no checkpoint of step 31"),
    ({"run": "nosuchrun1"}, 404, "nosuchrun1"),
    ({"views": 8}, 422, "views"),
)


def test_what_cannot_be_decoded_between_is_refused(client: httpx.Client, run: str) -> None:
    for changes, status, words in REFUSED:
        answer = client.post("/api/v1/plays/between", json={"run": run, **BETWEEN, **changes})
        assert answer.status_code == status, answer.text
        assert words in answer.text


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
