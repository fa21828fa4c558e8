"""The gallery and a task's answers as JSON."""

from __future__ import annotations

import httpx
from sqlalchemy import Engine

from tests.support.records.recorded import HELD_OUT, record_run


def test_the_gallery_is_filtered_compared_and_paged(client: httpx.Client, database: Engine) -> None:
    one, other = (record_run(database, points=2, tasks=12, seed=seed) for seed in (0, 1))
    a, b = (client.get(f"/api/v1/runs/{run}/evaluations").json()[0]["id"] for run in (one, other))

    first = client.get("/api/v1/gallery", params={"run": one, "limit": 8}).json()
    rest = client.get(
        "/api/v1/gallery", params={"run": one, "limit": 8, "cursor": first["next_cursor"]}
    ).json()
    beside = client.get(
        "/api/v1/gallery", params={"evaluation": [a, b], "change": "both", "attempts": 5}
    ).json()

    assert (len(first["items"]), len(rest["items"]), rest["next_cursor"]) == (8, 4, None)
    assert sum(first["modes"].values()) == 12
    answer = first["items"][0]["answers"][0]
    assert (answer["source"]["run"], answer["source"]["evaluation"]) == (one, a)
    assert answer["candidates"][0]["rank"] == 1
    assert first["items"][0]["truth"]
    assert beside["items"]
    assert all(each["truth_rank"] for item in beside["items"] for each in item["answers"])
    refused = client.get("/api/v1/gallery", params={"change": "a_only"})
    assert (refused.status_code, refused.json()["error"]["fields"][0]["field"]) == (422, "change")
    assert client.get("/api/v1/gallery", params={"evaluation": "x"}).status_code == 422


def test_a_task_lists_what_each_evaluation_made_of_it(client: httpx.Client, database: Engine) -> None:
    run = record_run(database, points=2, tasks=3)
    shown = client.get("/api/v1/gallery", params={"run": run, "limit": 1}).json()["items"][0]
    address = f"/api/v1/sets/{HELD_OUT}/tasks/{shown['task_id']}/answers"

    answers = client.get(address).json()

    assert answers[0] == shown["answers"][0]
    assert client.get(address, params={"test": 9}).json() == []
    assert client.get(f"/api/v1/sets/{HELD_OUT}/tasks/nothing/answers").status_code == 404


def test_anything_is_found_by_its_name(client: httpx.Client, database: Engine) -> None:
    record_run(database, points=0, name="sought for")

    hits = client.get("/api/v1/search", params={"q": "SOUGHT"}).json()["hits"]
    tasks = client.get("/api/v1/search", params={"q": "007bbfb7"}).json()["hits"]

    assert [(hit["kind"], hit["name"]) for hit in hits] == [("run", "sought for")]
    assert {hit["address"] for hit in tasks} >= {"/tasks/arc-agi-1/training/007bbfb7"}
