"""Whose a run is and what it belongs to: set where runs are made, found by it, and limited by it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, text

from backend.db.session import make_engine, session_scope
from backend.domain.config.presets import quick
from backend.domain.people import OWNER
from backend.domain.sweeps import parse_sweep
from backend.groups import service as groups
from backend.kit.errors import Conflict, Unauthorised
from backend.lifecycle import external_runs
from backend.lifecycle import service as runs
from backend.people import service as accounts
from backend.runs.status import RunStatus
from backend.web.visitor import who
from tests.support.processes import eventually
from tests.support.records.rows import add_run, end
from tests.support.web import WebServer

ANA = "ana of the owners"
EXTERNAL = {"name": "by a script"}


@pytest.fixture(autouse=True)
def asked_by_the_owner() -> Iterator[None]:
    yield
    who.set(OWNER)


@pytest.fixture
def ana(server: WebServer, client: httpx.Client) -> Iterator[httpx.Client]:
    """An editor's program."""
    with session_scope(server.engine) as session:
        accounts.add_person(session, ANA, "editor")
        secret = accounts.create_token(session, f"of {ANA}", ANA)
    with server.stranger(headers={"Authorization": f"Bearer {secret}"}) as program:
        yield program
    with session_scope(server.engine) as session:
        accounts.remove_person(session, ANA)


def made(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 201, answer.text
    run: dict[str, str] = answer.json()
    return run


def refusal(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    error: dict[str, Any] = answer.json()["error"]
    return error


def test_a_run_belongs_to_whoever_made_it_and_to_its_project(ana: httpx.Client, client: httpx.Client) -> None:
    run = made(ana.post("/api/v1/runs?project=arc-2", json={"preset": "quick"}))
    assert (run["owner"], run["project"]) == (ANA, "arc-2")
    script = made(ana.post("/api/v1/runs/external", json={**EXTERNAL, "project": "arc-2"}))
    assert (script["owner"], script["project"]) == (ANA, "arc-2")
    sweep = {"preset": "quick", "sweep": {"seeds": 2}, "project": "arc-2"}
    group = ana.post("/api/v1/groups", json=sweep).json()["id"]
    found = client.get("/api/v1/runs", params={"filter": f'group == "{group}"'}).json()["runs"]
    assert [(each["owner"], each["project"]) for each in found] == [(ANA, "arc-2")] * 2
    nobodys = made(client.post("/api/v1/runs", json={"preset": "quick"}))
    assert (nobodys["owner"], nobodys["project"]) == (None, "")


def test_a_clone_is_of_its_parents_project_unless_told_otherwise(
    ana: httpx.Client, client: httpx.Client
) -> None:
    parent = made(ana.post("/api/v1/runs?project=arc-2", json={"preset": "quick"}))
    address = f"/api/v1/runs/{parent['id']}/clone"
    assert made(ana.post(address))["project"] == "arc-2"
    clone = made(client.post(address, json={"project": ""}))
    assert (clone["owner"], clone["project"]) == (None, "")


def test_runs_are_found_shown_and_exported_by_owner_and_project(
    ana: httpx.Client, client: httpx.Client
) -> None:
    run = made(ana.post("/api/v1/runs/external", json={**EXTERNAL, "project": "of the search"}))
    query = {"filter": f'owner == "{ANA}" and project == "of the search"', "columns": "owner,project"}
    assert [each["id"] for each in client.get("/api/v1/runs", params=query).json()["runs"]] == [run["id"]]
    (row,) = csv.DictReader(io.StringIO(client.get("/api/v1/runs/export", params=query).text))
    assert (row["id"], row["owner"], row["project"]) == (run["id"], ANA, "of the search")
    found = client.get("/api/v1/search", params={"q": "of the search"}).text
    assert run["id"] in found
    for page in ("/", f"/runs/{run['id']}"):
        html = client.get(page, params={"filter": f'id == "{run["id"]}"'}).text
        assert ANA in html
        assert "of the search" in html


def test_an_editor_moves_a_run_to_another_project_and_the_trail_has_it(
    ana: httpx.Client, client: httpx.Client
) -> None:
    run = made(client.post("/api/v1/runs/external", json=EXTERNAL))
    changed = ana.patch(f"/api/v1/runs/{run['id']}", json={"project": " arc-2 "})
    assert changed.json()["project"] == "arc-2"
    entry = client.get("/api/v1/audit", params={"person": ANA, "action": "edited"}).json()["entries"][0]
    assert (entry["subject_id"], entry["detail"]) == (run["id"], "project")


@pytest.mark.parametrize("project", ["x" * 61, "\u200b"])
def test_a_project_that_cannot_be_is_refused_by_its_name(client: httpx.Client, project: str) -> None:
    attempts = (
        client.post("/api/v1/runs", params={"project": project}, json={"preset": "quick"}),
        client.post("/api/v1/runs/external", json={**EXTERNAL, "project": project}),
        client.post("/api/v1/groups", json={"preset": "quick", "sweep": {"seeds": 2}, "project": project}),
    )
    for answer in attempts:
        fields = refusal(answer, 422)["fields"]
        assert [each["field"] for each in fields] == ["project"]


def test_beyond_the_limit_of_queued_runs_nothing_is_queued_and_words_say_what_to_do(
    ana: httpx.Client, client: httpx.Client
) -> None:
    person = f"/api/v1/people/{ANA}"
    assert client.patch(person, json={"limit_queued": 2}).status_code == 204
    assert ana.patch(person, json={"limit_queued": 0}).status_code == 403
    sweep = {"preset": "quick", "sweep": {"seeds": 3}}
    assert "would add 3" in refusal(ana.post("/api/v1/groups", json=sweep), 409)["message"]
    first = made(ana.post("/api/v1/runs", json={"preset": "quick"}))
    made(ana.post("/api/v1/runs", json={"preset": "quick"}))
    full = refusal(ana.post("/api/v1/runs", json={"preset": "quick"}), 409)
    assert full["message"] == (
        "Nothing was queued: one person may have 2 runs waiting, 2 already wait, and this would add 1."
    )
    assert "etrm people limit" in full["hint"]
    form = ana.post("/runs/new", data={"mode": "json", "config_json": '{"preset": "quick"}', "project": "p"})
    assert form.status_code == 409
    assert "2 already wait" in form.text
    assert 'value="p"' in form.text
    made(client.post("/api/v1/runs", json={"preset": "quick"}))  # the limit is one person's
    ana.post(f"/api/v1/runs/{first['id']}/cancel")
    made(ana.post("/api/v1/runs", json={"preset": "quick"}))
    assert refusal(ana.post(f"/api/v1/runs/{first['id']}/resume"), 409)
    listed = {each["name"]: each for each in client.get("/api/v1/people").json()}[ANA]
    assert (listed["limit_running"], listed["limit_queued"]) == (None, 2)
    client.patch(person, json={"limit_queued": None})
    made(ana.post("/api/v1/runs", json={"preset": "quick"}))


def test_what_cannot_be_resumed_is_refused_by_its_status_and_not_by_a_limit(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ETRM_LIMIT_QUEUED", "1")
    add_run(engine, "waiting")
    add_run(engine, "running", status="running")
    add_run(engine, "failed", status="failed")
    for run_id, why in (("running", "is running and cannot be resumed"), ("failed", "1 already waits")):
        with session_scope(engine) as session, pytest.raises(Conflict, match=why):
            runs.resume(session, run_id)


@pytest.mark.usefixtures("set_names")
def test_who_is_removed_after_they_were_let_in_makes_nothing(engine: Engine) -> None:
    with session_scope(engine) as session:
        accounts.add_person(session, ANA, "editor")
        token = accounts.check_token(session, accounts.create_token(session, "of ana", ANA))
    assert token is not None
    with session_scope(engine) as session:
        accounts.remove_person(session, ANA)
    who.set(token.identity)
    for make in (
        lambda session: runs.create(session, quick()),
        lambda session: external_runs.create(session, "by a script", {}),
        lambda session: groups.create(session, quick(), parse_sweep({"seeds": 2})),
    ):
        with session_scope(engine) as session, pytest.raises(Unauthorised, match="account was removed"):
            make(session)


@pytest.mark.postgres
def test_a_removal_waits_for_the_run_that_its_person_is_making(postgres_url: str) -> None:
    engine = make_engine(postgres_url)
    with session_scope(engine) as session:
        accounts.add_person(session, ANA, "editor")
        token = accounts.check_token(session, accounts.create_token(session, "of ana", ANA))
    assert token is not None

    def remove() -> None:
        with session_scope(engine) as session:
            accounts.remove_person(session, ANA)

    with ThreadPoolExecutor(1) as pool:
        with session_scope(engine) as session:
            who.set(token.identity)
            run_id = external_runs.create(session, "by a script", {}).id
            removing = pool.submit(remove)
            eventually(lambda: _waits_for_a_lock(engine), "the removal to wait")
        removing.result()
    with session_scope(engine) as session:
        assert runs.get(session, run_id).owner is None
    engine.dispose()


def _waits_for_a_lock(engine: Engine) -> bool:
    with engine.connect() as connection:
        return bool(connection.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")))


def test_the_limits_of_the_lab_are_everybodys(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETRM_LIMIT_RUNNING", "1")
    add_run(engine, "a")
    add_run(engine, "b")
    end(engine, "a", RunStatus.FINISHED)
    add_run(engine, "running", status="running")
    with session_scope(engine) as session:
        (reason,) = runs.get(session, "b").waiting_reasons[1:2]
    assert reason == "the owner may have 1 run at once: 1 running"
