"""What a run made of tasks, page by page."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from sqlalchemy import Engine

from backend.data import service as datasets
from backend.db.session import session_scope
from backend.domain.arc.grid import Grid
from backend.domain.records import (
    Checkpoint,
    EvaluationKey,
    EvaluationSummary,
    FailureMode,
    LogLine,
    Prediction,
    Score,
    TestOutcome,
)
from backend.evaluation import outcomes as predictions
from backend.runs import checkpoints, logs

SET = "arc-agi-1/training"


@pytest.fixture
def evaluated(queued: str, database: Engine) -> tuple[str, int]:
    """(run, evaluation) of four tasks: the first is solved, the others have the wrong size."""
    with session_scope(database) as session:
        tasks = datasets.tasks(session, SET)[:4]
        key = EvaluationKey(SET, 600, "ema", 8, 4, tuple(task.id for task in tasks))
        evaluation = predictions.start_evaluation(session, queued, key)
        for at, task in enumerate(tasks):
            truth = task.tests[0].output
            assert truth
            right = Prediction(1, truth, 7, 0.9, True, 1.0, None)
            wrong = Prediction(1, Grid.of([[1]]), 5, 0.4, False, 0.0, FailureMode.WRONG_SIZE)
            outcome = TestOutcome(task.id, 0, 8, None if at else 1, (wrong if at else right,))
            predictions.add_outcome(session, evaluation, outcome)
        summary = EvaluationSummary(key, {1: Score(1, 4), 2: Score(1, 4)}, {"wrong size": 3}, 2.5)
        predictions.finish_evaluation(session, evaluation, summary)
    return queued, evaluation


def read(client: httpx.Client, run: str, **query: Any) -> dict[str, Any]:
    answer = client.get(f"/api/v1/runs/{run}/predictions", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_prediction_comes_with_all_it_takes_to_draw_it(
    client: httpx.Client, evaluated: tuple[str, int]
) -> None:
    run, evaluation = evaluated
    shown = read(client, run, failure_mode="correct")["predictions"]
    assert len(shown) == 1
    item = shown[0]
    task = client.get(f"/api/v1/sets/{SET}/tasks/{item['task_id']}").json()
    assert item["demonstrations"] == task["demonstrations"]
    assert {"input": item["input"], "output": item["truth"]} == task["tests"][0]
    assert item["candidates"] == [
        {
            "rank": 1,
            "grid": item["truth"],
            "votes": 7,
            "confidence": 0.9,
            "correct": True,
            "cell_accuracy": 1.0,
            "failure_mode": None,
        }
    ]
    assert (item["evaluation"], item["set"], item["step"], item["weights"]) == (evaluation, SET, 600, "ema")
    assert (item["test_index"], item["views"], item["truth_rank"], item["note"]) == (0, 8, 1, "")


def test_pages_filtered_by_failure_mode_hold_each_prediction_once(
    client: httpx.Client, evaluated: tuple[str, int]
) -> None:
    run, evaluation = evaluated
    query = {"failure_mode": "wrong size", "limit": 2, "evaluation": evaluation}
    first = read(client, run, **query)
    second = read(client, run, **query, cursor=first["next_cursor"])
    assert (len(first["predictions"]), len(second["predictions"]), second["next_cursor"]) == (2, 1, None)
    ids = [item["task_id"] for page in (first, second) for item in page["predictions"]]
    assert len(set(ids)) == 3
    assert read(client, run, evaluation=evaluation + 1)["predictions"] == []


def test_a_result_has_its_denominator_and_interval(client: httpx.Client, evaluated: tuple[str, int]) -> None:
    run, _ = evaluated
    (result,) = client.get(f"/api/v1/runs/{run}/evaluations").json()
    assert result == client.get(f"/api/v1/runs/{run}").json()["results"][0]
    assert (result["set"], result["held_out"], result["n"], result["scored"]) == (SET, False, 4, 4)
    first = result["passes"][0]
    assert (first["k"], first["solved"], first["n"], first["share"]) == (1, 1, 4, 0.25)
    assert (first["low"], first["high"]) == pytest.approx((0.0456, 0.6994), abs=1e-4)
    assert result["failure_modes"] == {"wrong size": 3}


def test_a_log_is_read_from_its_end_and_on_from_a_line(
    client: httpx.Client, queued: str, database: Engine
) -> None:
    with session_scope(database) as session:
        logs.append(session, queued, [LogLine(float(i), "info", f"line {i}") for i in range(5)])
        checkpoints.add(session, queued, Checkpoint(100, f"{queued}/100", "ab", 10))
    path = f"/api/v1/runs/{queued}/log"
    newest = client.get(path, params={"limit": 2}).json()
    assert [line["text"] for line in newest["lines"]] == ["line 3", "line 4"]
    assert client.get(path, params={"after": newest["last_id"]}).json()["lines"] == []
    earlier = client.get(path, params={"after": newest["lines"][0]["id"] - 2}).json()
    assert [line["text"] for line in earlier["lines"]] == ["line 2", "line 3", "line 4"]
    (checkpoint,) = client.get(f"/api/v1/runs/{queued}/checkpoints").json()
    assert (checkpoint["step"], checkpoint["sha256"], checkpoint["size_bytes"]) == (100, "ab", 10)
