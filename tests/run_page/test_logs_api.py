"""Logs: a run's own, and the search through those of all runs."""

from __future__ import annotations

from collections.abc import Mapping

import httpx
import pytest
from sqlalchemy import Engine

from backend.db.session import session_scope
from backend.domain.records import LogLine
from backend.runs import logs
from tests.support.records.recorded import record_run

LINES = (
    LogLine(1.0, "info", "step 10: 50 %_done"),
    LogLine(2.0, "warning", "Out of MEMORY, trying again"),
    LogLine(3.0, "error", "CUDA out of memory"),
    LogLine(4.0, "info", "step 20"),
)


@pytest.fixture
def run(database: Engine) -> str:
    run = record_run(database, status="running", points=0)
    with session_scope(database) as session:
        logs.append(session, run, LINES)
    return run


def found(client: httpx.Client, run: str, **asked: str | int) -> list[str]:
    answer = client.get(f"/api/v1/runs/{run}/log", params=asked)
    assert answer.status_code == 200, answer.text
    return [line["text"] for line in answer.json()["lines"]]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"contains": "out of memory"}, [1, 2]),
        ({"contains": "step"}, [0, 3]),
        ({"contains": "step", "limit": 1}, [3]),
        ({"contains": "step", "after": 0, "limit": 1}, [0]),
        ({"contains": "%_"}, [0]),  # no wildcards
        ({"contains": "5__%"}, []),
        ({"level": "warning"}, [1, 2]),
        ({"level": "error"}, [2]),
        ({"level": "error", "contains": "trying"}, []),
    ],
)
def test_a_log_is_searched(
    client: httpx.Client, run: str, asked: Mapping[str, str | int], expected: list[int]
) -> None:
    assert found(client, run, **asked) == [LINES[at].text for at in expected]


def test_a_level_that_there_is_not_is_refused_by_name(client: httpx.Client, run: str) -> None:
    answer = client.get(f"/api/v1/runs/{run}/log", params={"level": "grave"})
    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["error"]["fields"]] == ["level"]


def test_the_logs_of_all_runs_are_searched_newest_first(client: httpx.Client, database: Engine) -> None:
    first, second = (record_run(database, status="running", points=0, name=name) for name in ("a", "b"))
    with session_scope(database) as session:
        for run in (first, second, first):
            logs.append(session, run, [LogLine(5.0, "error", "a needle in the hay")])
    page = client.get("/api/v1/log", params={"contains": "NEEDLE", "limit": 2}).json()
    assert [(line["run_id"], line["run_name"]) for line in page["lines"]] == [(first, "a"), (second, "b")]
    older = client.get(
        "/api/v1/log", params={"contains": "NEEDLE", "limit": 2, "before": page["next"]}
    ).json()
    assert [line["run_id"] for line in older["lines"]] == [first]
    assert older["next"] is None
    assert client.get("/api/v1/log", params={"contains": "needle", "level": "error"}).json()["next"] is None
