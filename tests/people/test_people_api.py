"""People with roles: what each may do, by link and by token, and what takes room."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine

from backend.db.session import session_scope
from backend.domain.records import Checkpoint
from backend.runs import checkpoints
from tests.support.processes import Lab
from tests.support.records.recorded import record_run
from tests.support.web import WebServer


def act_as(server: WebServer, secret: str) -> httpx.Client:
    return server.stranger(headers={"Authorization": f"Bearer {secret}"})


@pytest.fixture
def secrets(client: httpx.Client) -> dict[str, str]:
    """A token of a new person of each role."""
    found = {}
    for role in ("viewer", "editor", "admin"):
        client.delete(f"/api/v1/people/Ada the {role}")
        made = client.post("/api/v1/people", json={"name": f"Ada the {role}", "role": role})
        assert made.status_code == 201, made.text
        token = {"name": f"{role} {made.json()['path'][-8:]}", "person": f"Ada the {role}"}
        found[role] = client.post("/api/v1/tokens", json=token).json()["secret"]
    return found


def test_each_role_may_do_what_it_says(server: WebServer, secrets: dict[str, str]) -> None:
    doings = {
        "look": lambda c: c.get("/api/v1/runs"),
        "room": lambda c: c.get("/api/v1/storage"),
        "check": lambda c: c.post("/api/v1/config/validate", json={"preset": "quick"}),
        "log": lambda c: c.post("/api/v1/runs/external", json={"name": "by a person"}),
        "people": lambda c: c.get("/api/v1/people"),
        "token": lambda c: c.get("/api/v1/tokens"),
        "free": lambda c: c.post("/api/v1/storage/free", json={"runs": ["nothinghere"]}),
    }
    allowed = {}
    for role, secret in secrets.items():
        with act_as(server, secret) as client:
            allowed[role] = [name for name, do in doings.items() if do(client).status_code != 403]
            assert client.get("/api/v1/me").json() == {
                "name": f"Ada the {role}",
                "role": role,
                "scope": "admin",
            }

    assert allowed["viewer"] == ["look", "room", "check"]
    assert allowed["editor"] == ["look", "room", "check", "log"]
    assert allowed["admin"] == list(doings)


def test_a_refusal_says_why_and_a_new_role_counts_at_once(
    server: WebServer, client: httpx.Client, secrets: dict[str, str]
) -> None:
    with act_as(server, secrets["viewer"]) as viewer:
        refused = viewer.post("/api/v1/runs/external", json={"name": "no"})
        assert "Ada the viewer is a viewer, and this takes an editor." in refused.json()["error"]["message"]
        assert client.patch("/api/v1/people/Ada the viewer", json={"role": "editor"}).status_code == 204
        assert viewer.post("/api/v1/runs/external", json={"name": "yes"}).status_code == 201
        assert client.patch("/api/v1/people/Ada the viewer", json={"role": "king"}).status_code == 422
        assert client.delete("/api/v1/people/Ada the viewer").status_code == 204
        assert viewer.get("/api/v1/runs").status_code == 401
    assert "Ada the viewer" not in [each["name"] for each in client.get("/api/v1/people").json()]


def test_a_link_logs_in_once_as_its_person(
    server: WebServer, client: httpx.Client, secrets: dict[str, str]
) -> None:
    path = client.post("/api/v1/people/Ada the viewer/invite").json()["path"]
    with server.stranger(headers={"Accept": "text/html"}) as browser:
        assert browser.get(path).status_code == 303
        assert browser.get("/api/v1/me").json()["name"] == "Ada the viewer"
        page = browser.get("/settings").text
        assert 'data-role="viewer"' in page
        assert "are for admins" in page
        assert browser.get("/gallery").status_code == 200
        assert browser.post("/runs/new", data={"action": "launch"}).status_code == 403
    with server.stranger() as other:
        assert other.get(path).status_code == 401


def test_only_the_newest_checkpoint_of_a_run_that_is_over_is_kept(
    client: httpx.Client, database: Engine, lab: Lab
) -> None:
    over, running = record_run(database, points=4), record_run(database, points=4, status="running")
    folder = Path(lab.environment["ETRM_HOME"]) / "artifacts"
    for run in (over, running):
        for step in (1, 2, 900):
            place = folder / run / f"{step}"
            place.mkdir(parents=True)
            (place / "weights").write_bytes(b"x" * 100)
            with session_scope(database) as session:
                checkpoints.add(session, run, Checkpoint(step, f"{run}/{step}", "", 100))

    def stored(run: str) -> dict[str, object]:
        found = client.get("/api/v1/storage").json()
        assert found["database_bytes"] > 0
        return next(each for each in found["runs"] if each["run_id"] == run)

    assert (stored(over)["can_free"], stored(running)["can_free"]) == (True, False)
    refused = client.post("/api/v1/storage/free", json={"runs": [over, running]})
    assert refused.status_code == 409
    assert stored(over)["checkpoints"] == 4

    assert client.post("/api/v1/storage/free", json={"runs": [over]}).status_code == 200
    assert (stored(over)["checkpoints"], stored(over)["checkpoint_bytes"]) == (1, 100)
    assert [each.name for each in (folder / over).iterdir()] == ["900"]
    assert len(list((folder / running).iterdir())) == 3
