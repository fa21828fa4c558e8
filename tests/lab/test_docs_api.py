"""The API's own description."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import pytest

ISSUED = [
    "POST /api/v1/runs",
    "GET /api/v1/runs",
    "GET /api/v1/runs/{run_id}",
    "GET /api/v1/runs/{run_id}/health",
    "POST /api/v1/runs/{run_id}/cancel",
    "POST /api/v1/runs/{run_id}/clone",
    "GET /api/v1/runs/{run_id}/series",
    "GET /api/v1/runs/{run_id}/predictions",
    "POST /api/v1/runs/{run_id}/metrics",
    "POST /api/v1/runs/{run_id}/heartbeat",
    "POST /api/v1/runs/external",
    "GET /api/v1/runs/{run_id}/log",
    "GET /api/v1/runs/{run_id}/events",
    "POST /api/v1/groups",
    "POST /api/v1/groups/preview",
    "GET /api/v1/groups",
    "GET /api/v1/groups/{group_id}",
    "POST /api/v1/groups/{group_id}/cancel",
    "POST /api/v1/runs/{run_id}/evaluations",
    "GET /api/v1/evaluations",
    "GET /api/v1/evaluations/{evaluation_id}/tasks",
    "GET /api/v1/evaluations/{evaluation_id}/export",
    "POST /api/v1/duels",
    "GET /api/v1/duels/{duel_id}",
    "GET /api/v1/evaluations/compare",
    "GET /api/v1/evaluations/{evaluation_id}",
    "POST /api/v1/evaluations/{evaluation_id}/cancel",
    "POST /api/v1/evaluations/{evaluation_id}/resume",
    "GET /api/v1/evaluations/{evaluation_id}/tasks/{task_id}/{test_index}/votes",
    "GET /api/v1/evaluations/{evaluation_id}/tasks/{task_id}/{test_index}/steps",
    "GET /api/v1/workers",
    "GET /healthz",
    "GET /readyz",
]


@pytest.fixture
def described(client: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/api/openapi.json").json()
    return found


def test_every_promised_address_is_described(described: dict[str, Any]) -> None:
    addresses = {f"{method.upper()} {path}" for path, each in described["paths"].items() for method in each}
    assert set(ISSUED) <= addresses
    assert not [address for address in addresses if "static" in address or "/login" in address]


def test_every_reference_leads_somewhere(described: dict[str, Any]) -> None:
    schemas = described["components"]["schemas"]
    references = set(re.findall(r'"\$ref": "([^"]+)"', json.dumps(described)))
    assert references
    assert {each for each in references if each.removeprefix("#/components/schemas/") not in schemas} == set()


def test_every_address_says_what_it_does_and_how_it_fails(described: dict[str, Any]) -> None:
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            assert operation.get("description"), f"{method} {path}"
            if path.startswith("/api/v1"):
                refused = operation["responses"]["401"]["content"]["application/json"]["schema"]["$ref"]
                assert refused.endswith("ErrorModel"), f"{method} {path}"


def test_the_example_configs_are_valid(client: httpx.Client, described: dict[str, Any]) -> None:
    body = described["paths"]["/api/v1/runs"]["post"]["requestBody"]["content"]["application/json"]
    for example in body["examples"].values():
        assert client.post("/api/v1/config/validate", json=example["value"]).json()["valid"]


def test_the_example_groups_can_be_made(client: httpx.Client, described: dict[str, Any]) -> None:
    body = described["paths"]["/api/v1/groups"]["post"]["requestBody"]["content"]["application/json"]
    assert body["schema"]["properties"]["sweep"] == {"$ref": "#/components/schemas/Sweep"}
    for example in body["examples"].values():
        assert client.post("/api/v1/groups/preview", json=example["value"]).json()["valid"]


def test_the_page_says_what_every_address_takes_and_asks_no_other_host(
    client: httpx.Client, described: dict[str, Any]
) -> None:
    page = client.get("/api/docs").text
    anchors = set(re.findall(r'id="([^"]+)"', page))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= anchors
    assert '<a href="#model-Edit">Edit</a>' in page  # the body of PATCH /api/v1/runs/{run_id}
    assert "`" not in page
    assert not re.search(r'(src|href)="(https?:)?//', page)
    for path in described["paths"]:
        assert path in page
