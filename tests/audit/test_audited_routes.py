"""Every address that changes something leaves an entry in the audit trail, by who asked for it.

The list of addresses is the one that tests/golden/access.txt holds: a new one must say in
tests/support/changing_requests.py what it records.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, delete, select

from backend.db.session import reading_scope, session_scope
from backend.runs.group_tables import RunGroup
from backend.study.tables import StudyRow
from tests.support.changing_requests import CASES, INES, NOT_RECORDED, TASK, Trying
from tests.support.processes import Lab
from tests.support.web import WebServer

GOLDEN = Path(__file__).parents[1] / "golden/access.txt"
LISTED = {"dashboards": "slug", "people": "name", "sets": "name", "tokens": "name", "views": "name"}


@pytest.fixture
def trying(client: httpx.Client, server: WebServer, database: Engine, lab: Lab) -> Iterator[Trying]:
    """An admin's browser. What it makes is gone afterwards: other files ask the same server what there is."""
    before, runs_before = things(client), runs(client)
    with reading_scope(database) as session:
        groups_before = set(session.scalars(select(RunGroup.id)))
    link = client.post("/api/v1/people", json={"name": INES, "role": "admin"}).json()["path"]
    client.post("/api/v1/sets", json={"name": "mini", "tasks": {"one": TASK, "two": TASK}})
    with server.stranger(headers={"Origin": server.url}) as browser:
        assert browser.get(link, headers={"Accept": "text/html"}).status_code == 303
        yield Trying(browser, database, lab)
    with session_scope(database) as session:  # a study would add runs meanwhile; no address removes one
        session.execute(delete(StudyRow))
    with reading_scope(database) as session:
        groups = set(session.scalars(select(RunGroup.id))) - groups_before
    for group in groups:
        client.post(f"/api/v1/groups/{group}/cancel")  # a parameter search would add runs meanwhile
    made = runs(client) - runs_before
    for run in made:
        client.post(f"/api/v1/runs/{run}/cancel")
        open_ones = client.get("/api/v1/evaluations", params={"run": run, "status": "queued"}).json()
        for evaluation in open_ones["evaluations"]:
            client.post(f"/api/v1/evaluations/{evaluation['id']}/cancel")
        client.delete(f"/api/v1/runs/{run}/checkpoints/aliases/paper")
    for run in made:
        client.delete(f"/api/v1/runs/{run}")  # refused where a fork needs its checkpoint
    for run in made:
        answer = client.delete(f"/api/v1/runs/{run}")
        assert answer.status_code in (204, 404), answer.text
    with session_scope(database) as session:  # no address removes a group
        session.execute(delete(RunGroup).where(RunGroup.id.not_in(groups_before)))
    for address in things(client) - before:
        answer = client.delete(address)
        assert answer.status_code in (204, 404), answer.text
    assert (things(client), runs(client)) == (before, runs_before)


@pytest.mark.parametrize("address", CASES)
def test_what_changes_something_is_recorded(trying: Trying, client: httpx.Client, address: str) -> None:
    prepare, action = CASES[address]
    ask = prepare(trying)
    before = entries(client)[0]["id"]
    answer = ask()
    assert answer.is_success or answer.status_code == 303, answer.text
    new = [each for each in entries(client) if each["id"] > before]
    assert action in {each["action"] for each in new}
    assert {(each["person"], each["via"]) for each in new} == {(INES, "browser")}


def test_every_address_that_changes_something_is_tried() -> None:
    agreed = [line.split() for line in GOLDEN.read_text().splitlines()]
    changing = {f"{method} {path}" for _, method, path in agreed if method != "GET"}
    assert changing == CASES.keys() | NOT_RECORDED


def runs(client: httpx.Client) -> set[str]:
    found = client.get("/api/v1/runs", params={"limit": 200, "archived": "all"}).json()["runs"]
    return {each["id"] for each in found}


def things(client: httpx.Client) -> set[str]:
    """The addresses of everything else that is there and can be removed."""
    return {
        f"/api/v1/{kind}/{each[name]}"
        for kind, name in LISTED.items()
        for each in client.get(f"/api/v1/{kind}").json()
        if not each.get("revoked_at")  # a token stays listed
    }


def entries(client: httpx.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get("/api/v1/audit").json()["entries"]
    return found
