"""The limits that the API's description states are those that it keeps: one number, not two."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx

IDS = {"run_id": "nosuchrun1", "evaluation_id": "1", "task_id": "one", "test_index": "0", "name": "mini"}
NEEDED = {"runs": "nosuchrun1", "names": "loss"}  # what an address takes besides


def limits(client: httpx.Client) -> Iterator[tuple[str, str, int, int]]:
    """Address, parameter, its limit, and the first value beyond, of every number in a query."""
    for path, operations in client.get("/api/openapi.json").json()["paths"].items():
        for parameter in operations.get("get", {}).get("parameters", []):
            for schema in (parameter["schema"], *parameter["schema"].get("anyOf", [])):
                if parameter["in"] == "query" and "minimum" in schema:
                    yield path, parameter["name"], schema["minimum"], schema["minimum"] - 1
                if parameter["in"] == "query" and "maximum" in schema:
                    yield path, parameter["name"], schema["maximum"], schema["maximum"] + 1


def refused(client: httpx.Client, path: str, name: str, value: int) -> list[dict[str, Any]]:
    """What is said against this parameter."""
    address = re.sub(r"\{(\w+)\}", lambda found: IDS.get(found[1], "1"), path)
    answer = client.get(address, params={**NEEDED, name: value})
    assert answer.status_code < 500, answer.text
    if answer.status_code != 422:
        return []
    return [each for each in answer.json()["error"]["fields"] if each["field"] == name]


def test_every_stated_limit_is_the_one_that_is_kept(client: httpx.Client) -> None:
    stated = list(limits(client))
    assert {("/api/v1/runs/{run_id}/series", "max_points", 10, 9), ("/api/v1/runs", "limit", 1000, 1001)} <= {
        *stated
    }
    for path, name, limit, beyond in stated:
        if "/events" in path:
            continue  # a stream
        assert refused(client, path, name, limit) == [], (path, name, limit)
        said = refused(client, path, name, beyond)
        assert said, (path, name, beyond)
        assert str(limit) in said[0]["message"].replace(",", ""), said
