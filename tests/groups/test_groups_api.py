"""/api/v1/groups as a script uses it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from sqlalchemy import Engine

from backend.db.session import session_scope
from backend.runs.group_tables import RunGroup

SWEEP = {"seeds": 2, "grid": {"model.core.width": [64, 128]}}


def make(client: httpx.Client, **body: Any) -> dict[str, Any]:
    answer = client.post("/api/v1/groups", json={"preset": "quick", "sweep": SWEEP} | body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def test_a_sweep_becomes_a_group_of_queued_runs_at_its_location(client: httpx.Client) -> None:
    answer = client.post(
        "/api/v1/groups",
        json={
            "preset": "quick",
            "overrides": {"training.steps": 9, "evaluation": {"views": 2}},
            "sweep": SWEEP,
            "name": "width?",
        },
    )
    assert answer.status_code == 201
    group = client.get(answer.headers["Location"]).json()
    assert group == answer.json()
    assert (group["name"], group["statuses"]) == ("width?", {"queued": 4})
    assert [each["changes"] for each in group["variations"]] == [
        {"model.core.width": 64},
        {"model.core.width": 128},
    ]
    run = client.get(f"/api/v1/runs/{group['variations'][1]['runs'][1]['id']}").json()
    assert (run["name"], run["seed"]) == ("quick · width 128 · seed 1", 1)
    assert run["group"] == {"id": group["id"], "name": "width?"}
    assert (run["config"]["training"]["steps"], run["config"]["evaluation"]["views"]) == (9, 2)
    found = client.get("/api/v1/runs", params={"filter": 'group == "width?" and seed == 0'}).json()["runs"]
    assert len(found) == 2


def test_a_whole_config_can_be_swept_and_a_preset_may_stand_inside(client: httpx.Client) -> None:
    group = make(client, preset=None, config={"preset": "quick", "name": "mine"}, sweep={"seeds": 3})
    assert [run["name"] for run in group["variations"][0]["runs"]] == [
        "mine · seed 0",
        "mine · seed 1",
        "mine · seed 2",
    ]


def test_a_preview_names_the_runs_and_makes_none(client: httpx.Client) -> None:
    def total() -> int:
        return len(client.get("/api/v1/groups").json()["groups"])

    before = total()
    plan = client.post("/api/v1/groups/preview", json={"preset": "quick", "sweep": SWEEP}).json()
    assert (plan["valid"], plan["count"], plan["problems"]) == (True, 4, [])
    assert plan["runs"][0] == {
        "name": "quick · width 64 · seed 0",
        "changes": {"model.core.width": 64, "seed": 0},
    }
    assert total() == before


def test_a_preview_and_the_group_name_what_else_differs(client: httpx.Client) -> None:
    swept = {"grid": {"model.encoder.kind": ["deterministic", "iterative"]}}
    layers = {
        "path": "model.encoder.layers",
        "values": {"encoder deterministic": 1, "encoder iterative": 2},
    }

    plan = client.post("/api/v1/groups/preview", json={"preset": "quick", "sweep": swept}).json()
    same = client.post(
        "/api/v1/groups/preview", json={"preset": "quick", "sweep": swept | {"same_depth": True}}
    ).json()
    group = make(client, preset="quick", sweep=swept)

    assert plan["also_differs"][0] == group["also_differs"][0] == layers
    assert client.get(f"/api/v1/groups/{group['id']}").json()["also_differs"] == plan["also_differs"]
    assert "model.encoder.layers" not in [each["path"] for each in same["also_differs"]]


def test_a_group_of_an_earlier_version_still_has_its_page(client: httpx.Client, database: Engine) -> None:
    swept = {"grid": {"model.encoder.kind": ["deterministic", "iterative"]}}
    group = make(client, preset="quick", sweep=swept)
    with session_scope(database) as session:
        row = session.get(RunGroup, group["id"])
        assert row is not None
        row.sweep = {name: value for name, value in row.sweep.items() if name != "same_depth"}
    page = client.get(f"/groups/{group['id']}", headers={"Accept": "text/html"})
    client.post(f"/api/v1/groups/{group['id']}/cancel")
    assert (page.status_code, "Each kind starts from its own defaults" in page.text) == (200, True)


def test_a_preview_of_a_wrong_sweep_says_what_is_wrong(client: httpx.Client) -> None:
    wrong = {"grid": {"model.core.width": [64, 1]}}
    plan = client.post("/api/v1/groups/preview", json={"preset": "quick", "sweep": wrong}).json()
    assert (plan["valid"], plan["count"]) == (False, 0)
    assert plan["problems"] == [
        {
            "field": "sweep.grid.model.core.width",
            "message": "value 2: must be at least 8 and at most 4096, not 1.",
            "hint": "",
        }
    ]


@pytest.mark.parametrize(
    ("body", "field", "said"),
    [
        ({"sweep": {"seeds": 2}}, "config", "is missing."),
        (
            {"preset": "quick", "config": {}, "sweep": {"seeds": 2}},
            "config",
            "cannot be combined with a preset.",
        ),
        ({"preset": "quick"}, "sweep", "is missing."),
        ({"preset": "quick", "sweep": []}, "sweep", "must be an object"),
        ({"preset": "quick", "sweep": {"seeds": 2}, "nmae": "x"}, "nmae", "unknown field."),
        ({"preset": "quik", "sweep": {"seeds": 2}}, "preset", "quik"),
        ({"config": {"sede": 1}, "sweep": {"seeds": 2}}, "sede", "unknown field."),
        ({"config": [], "sweep": {"seeds": 2}}, "", "A config is a JSON object"),
        ({"preset": "quick", "sweep": {"seeds": 999}}, "sweep.seeds", "must be 1 to 256"),
        ({"preset": "quick", "sweep": {"seeds": 2}, "name": "n" * 121}, "name", "at most 120"),
    ],
)
def test_a_wrong_body_names_its_field(client: httpx.Client, body: Any, field: str, said: str) -> None:
    answer = client.post("/api/v1/groups", json=body)
    assert answer.status_code == 422
    (found,) = answer.json()["error"]["fields"]
    assert found["field"] == field
    assert said in found["message"]


def test_a_group_is_cancelled_as_a_whole(client: httpx.Client) -> None:
    group = make(client)
    cancelled = client.post(f"/api/v1/groups/{group['id']}/cancel").json()
    assert cancelled["statuses"] == {"cancelled": 4}
    assert client.post(f"/api/v1/groups/{group['id']}/cancel").json() == cancelled


def test_groups_are_listed_in_pages(client: httpx.Client) -> None:
    ids = [make(client)["id"] for _ in range(2)]
    first = client.get("/api/v1/groups", params={"limit": 1}).json()
    assert (first["groups"][0]["id"], first["groups"][0]["statuses"]) == (ids[1], {"queued": 4})
    then = client.get("/api/v1/groups", params={"limit": 1, "cursor": first["next_cursor"]}).json()
    assert then["groups"][0]["id"] == ids[0]
    assert client.get("/api/v1/groups", params={"cursor": "x"}).status_code == 422


def test_an_unknown_group_is_not_found(client: httpx.Client) -> None:
    for answer in (client.get("/api/v1/groups/none"), client.post("/api/v1/groups/none/cancel")):
        assert answer.status_code == 404
        assert answer.json()["error"]["message"] == "Group 'none' not found."
