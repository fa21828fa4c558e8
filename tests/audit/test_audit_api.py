"""The audit trail over the API, on its page, and as pages and commands fill it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from backend.audit import service as audit
from backend.terminal.lab import reading
from tests.support.commands import output, queue
from tests.support.lab import environment
from tests.support.web import WebServer

HTML = {"Accept": "text/html"}


def newest(client: httpx.Client, **query: object) -> dict[str, object]:
    answer = client.get("/api/v1/audit", params={"limit": 1, **query})  # type: ignore[dict-item]
    assert answer.status_code == 200, answer.text
    entry: dict[str, object] = answer.json()["entries"][0]
    return entry


@contextmanager
def as_person(server: WebServer, client: httpx.Client, name: str, role: str) -> Iterator[httpx.Client]:
    """A browser in which a new person is logged in."""
    client.delete(f"/api/v1/people/{name}")
    made = client.post("/api/v1/people", json={"name": name, "role": role})
    assert made.status_code == 201, made.text
    with server.stranger(headers=HTML) as browser:
        assert browser.get(made.json()["path"]).status_code == 303
        yield browser


def test_a_request_is_recorded_with_its_token(client: httpx.Client, server: WebServer) -> None:
    run = client.post("/api/v1/runs/external", json={"name": "recorded"}).json()["id"]
    entry = newest(client)
    assert entry["via"] == f"token test-{server.process.pid}"
    assert (entry["person"], entry["person_id"]) == ("the owner", None)
    assert (entry["action"], entry["subject_id"], entry["subject_name"]) == (
        "external run started",
        run,
        "recorded",
    )
    assert client.get(f"/api/v1/runs/{run}/history").json()[0]["data"]["by"] == "the owner"
    assert "by the owner</span>" in client.get(f"/runs/{run}", headers=HTML).text


def test_a_form_of_a_page_is_recorded_with_its_person(client: httpx.Client, server: WebServer) -> None:
    with as_person(server, client, "Ines of the pages", "editor") as browser:
        logged_in = newest(client)
        assert (logged_in["person"], logged_in["action"]) == ("Ines of the pages", "logged in")
        made = browser.post("/dashboards", data={"name": "By form"}, headers={"Origin": server.url})
        assert made.status_code == 303, made.text
        entry = newest(client)
        assert (entry["action"], entry["subject_kind"], entry["subject_name"]) == (
            "saved", "dashboard", "By form",
        )  # fmt: skip
        assert (entry["person"], entry["via"]) == ("Ines of the pages", "browser")


@pytest.mark.parametrize("role", ["viewer", "editor"])
def test_only_admins_may_read_it(client: httpx.Client, server: WebServer, role: str) -> None:
    with as_person(server, client, f"Omar the {role}", role) as browser:
        for path in ("/api/v1/audit", "/api/v1/audit/export", "/settings/audit"):
            assert browser.get(path).status_code == 403
        assert "/settings/audit" not in browser.get("/settings").text
    with server.stranger() as stranger:
        assert stranger.get("/api/v1/audit").status_code == 401


def test_a_refused_request_is_not_recorded(client: httpx.Client, server: WebServer) -> None:
    with as_person(server, client, "Vera", "viewer") as browser:
        before = newest(client)
        assert browser.post("/api/v1/runs/external", json={"name": "no"}).status_code == 403
        assert client.post("/api/v1/runs", json={"preset": "none"}).status_code == 422
        assert client.post("/api/v1/runs/nothinghere/cancel").status_code == 404
        assert newest(client) == before


def test_it_is_paged_filtered_and_exported(client: httpx.Client) -> None:
    for name in ("=1+1", "b", "c"):
        assert client.put(f"/api/v1/views/{name}", json={"query": "sort=-pass1"}).status_code == 200
        assert client.delete(f"/api/v1/views/{name}").status_code == 204
    query = {"person": "the owner", "action": "deleted"}
    page = client.get("/api/v1/audit", params={**query, "limit": 2}).json()
    assert [each["subject_name"] for each in page["entries"]] == ["c", "b"]
    rest = client.get("/api/v1/audit", params={**query, "limit": 2, "cursor": page["next_cursor"]}).json()
    assert rest["entries"][0]["subject_name"] == "=1+1"

    answer = client.get("/api/v1/audit/export", params=query)
    assert answer.headers["content-type"].startswith("text/csv")
    table = list(csv.DictReader(io.StringIO(answer.text)))
    assert {each["action"] for each in table} == {"deleted"}
    assert table[2]["subject_name"] == "'=1+1"  # no formula for a spreadsheet

    for wrong in ({"action": "danced"}, {"cursor": "x"}, {"limit": 0}):
        assert client.get("/api/v1/audit", params=wrong).status_code == 422


def test_the_page_shows_and_filters_it(client: httpx.Client) -> None:
    client.put("/api/v1/views/<i>mine", json={"query": "sort=-pass1"})
    client.delete("/api/v1/views/<i>mine")
    page = client.get("/settings/audit", headers=HTML)
    assert page.status_code == 200
    assert "&lt;i&gt;mine" in page.text
    assert "<i>mine" not in page.text
    none = client.get("/settings/audit", params={"person": "nobody"}, headers=HTML).text
    assert "No entries match this filter." in none
    assert client.get("/settings/audit", params={"action": "danced"}, headers=HTML).status_code == 422


def test_a_command_is_recorded(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = queue(home, "train", "quick", "--queue")
    output(home, "run", "cancel", run)
    output(home, "token", "create", "from a terminal")
    for name, value in environment(home).items():
        monkeypatch.setenv(name, value)
    with reading() as session:
        found = audit.find(session).entries
    assert [(each.action, each.person, each.via) for each in found] == [
        ("token created", "the owner", "command line"),
        ("cancelled", "the owner", "command line"),
        ("launched", "the owner", "command line"),
    ]
