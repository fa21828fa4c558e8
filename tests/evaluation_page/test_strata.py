"""Scores by kind of task: they add up to the evaluation's own, on the page, in the API and in files."""

from __future__ import annotations

import csv
import io
from collections import defaultdict

import httpx
import pytest
from sqlalchemy import Engine

from backend.data import service as datasets
from backend.db.session import reading_scope, session_scope
from backend.domain.arc.strata import GONE
from tests.support.records.recorded import HELD_OUT, record_run

TASKS = 20


@pytest.fixture
def evaluation(client: httpx.Client, database: Engine) -> int:
    run = record_run(database, points=2, tasks=TASKS)
    results = client.get(f"/api/v1/runs/{run}").json()["results"]
    return int(results[0]["id"])


def test_the_strata_of_each_dimension_add_up_to_the_evaluation(
    client: httpx.Client, database: Engine, evaluation: int
) -> None:
    whole = client.get(f"/api/v1/evaluations/{evaluation}").json()
    found = client.get(f"/api/v1/evaluations/{evaluation}/strata").json()
    assert [each["name"] for each in found["dimensions"]] == [
        "longest side", "colours", "demonstrations", "output size",
    ]  # fmt: skip
    for dimension in found["dimensions"]:
        assert sum(each["n"] for each in dimension["strata"]) == found["n"] == TASKS
        for at, k in enumerate((1, 2, 5)):
            own = next(each for each in whole["passes"] if each["k"] == k)
            assert sum(each["passes"][at]["solved"] for each in dimension["strata"]) == own["solved"]
        assert sum(each["oracle"]["found"] for each in dimension["strata"]) == whole["oracle"]["found"]


def test_a_stratum_counts_its_own_tasks(client: httpx.Client, database: Engine, evaluation: int) -> None:
    inputs = client.get(f"/api/v1/evaluations/{evaluation}/tasks").json()["test_inputs"]
    with reading_scope(database) as session:
        shown = {task.id: len(task.demonstrations) for task in datasets.tasks(session, HELD_OUT)}
    expected: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for each in inputs:
        number = shown[each["task_id"]]
        counts = expected[str(number) if number < 6 else "6 or more"]
        counts[0] += each["truth_rank"] == 1
        counts[1] += 1
    found = client.get(f"/api/v1/evaluations/{evaluation}/strata").json()["dimensions"][2]["strata"]
    assert {each["name"]: [each["passes"][0]["solved"], each["n"]] for each in found} == expected


def test_files_say_the_same(client: httpx.Client, evaluation: int) -> None:
    address = f"/api/v1/evaluations/{evaluation}/export"
    text = client.get(address, params={"what": "strata", "format": "csv"}).text
    lines = list(csv.DictReader(io.StringIO(text)))
    found = client.get(f"/api/v1/evaluations/{evaluation}/strata").json()
    for dimension in found["dimensions"]:
        own = [line for line in lines if line["dimension"] == dimension["name"]]
        assert sum(int(line["n"]) for line in own if line["k"] == "1") == TASKS
    curve = client.get(address, params={"what": "curve"}).json()
    whole = client.get(f"/api/v1/evaluations/{evaluation}").json()
    assert curve[-1]["k"] == whole["views"]
    assert curve[-1]["solved"] == whole["oracle"]["score"]["solved"]
    assert [line["solved"] for line in curve] == sorted(line["solved"] for line in curve)


def test_tasks_that_have_gone_from_their_set_still_count(
    client: httpx.Client, database: Engine, evaluation: int
) -> None:
    from backend.scores import queries as rows

    with session_scope(database) as session:
        found = rows.get(session, evaluation)
        assert found is not None
        found.set_name = "no/longer/here"
    strata = client.get(f"/api/v1/evaluations/{evaluation}/strata").json()
    assert strata["n"] == TASKS
    for dimension in strata["dimensions"]:
        assert [(each["name"], each["n"]) for each in dimension["strata"]] == [(GONE, TASKS)]
    assert client.get("/api/v1/evaluations/999999/strata").status_code == 404
