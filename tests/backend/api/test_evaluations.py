"""/api/v1/evaluations as a script uses it."""

from __future__ import annotations

import httpx
import pytest
from sqlalchemy import Engine

from backend.db.session import session_scope
from backend.domain.records import EvaluationKey, EvaluationSummary, TestOutcome
from backend.services import predictions


def evaluate(engine: Engine, run_id: str, solved: int, views: int = 8) -> int:
    """A finished evaluation of 10 tasks that solves the first `solved`."""
    tasks = tuple(f"t{number}" for number in range(10))
    key = EvaluationKey("mine", step=5, weights="ema", views=views, act_steps=4, task_ids=tasks)
    with session_scope(engine) as session:
        evaluation_id = predictions.start_evaluation(session, run_id, key)
        for number, task_id in enumerate(tasks):
            outcome = TestOutcome(task_id, 0, views, 1 if number < solved else None, ())
            predictions.add_outcome(session, evaluation_id, outcome)
        predictions.finish_evaluation(session, evaluation_id, EvaluationSummary(key, {}))
    return evaluation_id


@pytest.fixture
def two(client: httpx.Client, database: Engine) -> tuple[int, int]:
    """Evaluations of two runs that solve 9 and 1 of 10."""
    ids = [client.post("/api/v1/runs", json={"preset": "quick"}).json()["id"] for _ in range(2)]
    return evaluate(database, ids[0], 9), evaluate(database, ids[1], 1)


def test_two_evaluations_are_compared(client: httpx.Client, two: tuple[int, int]) -> None:
    found = client.get("/api/v1/evaluations/compare", params={"a": two[0], "b": two[1]}).json()
    assert (found["verdict"], found["n"], len(found["only_a"])) == ("a", 10, 8)
    assert found["a"]["score"]["solved"] == 9
    assert found["p_value"] == pytest.approx(2 / 256)


def test_unlike_ones_are_refused(client: httpx.Client, two: tuple[int, int], database: Engine) -> None:
    run_id = client.post("/api/v1/runs", json={"preset": "quick"}).json()["id"]
    other = evaluate(database, run_id, 3, views=2)
    answer = client.get("/api/v1/evaluations/compare", params={"a": two[0], "b": other})
    assert answer.status_code == 409
    assert "other views (8 and 2)" in answer.json()["error"]["message"]
    assert client.get("/api/v1/evaluations/compare", params={"a": two[0], "b": "0"}).status_code == 404
