"""/api/v1/evaluations as a script uses it."""

from __future__ import annotations

import httpx
import pytest
from sqlalchemy import Engine

from backend.data import service as datasets
from backend.db.session import session_scope
from backend.domain.arc.grid import Grid
from backend.domain.arc.votes import (
    ActStep,
    AdaptationPoint,
    AdaptationTrace,
    SearchLoss,
    SearchPoint,
    SearchTrace,
    ViewVote,
    trace_of,
)
from backend.domain.records import EvaluationKey, EvaluationSummary, TestOutcome
from backend.evaluation import outcomes as predictions
from tests.support.records.recorded import record_evaluation_job, record_run
from tests.support.web import events_of


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


def test_others_are_refused(client: httpx.Client, two: tuple[int, int], database: Engine) -> None:
    run_id = client.post("/api/v1/runs", json={"preset": "quick"}).json()["id"]
    other = evaluate(database, run_id, 3, views=2)
    answer = client.get("/api/v1/evaluations/compare", params={"a": two[0], "b": other})
    assert answer.status_code == 409
    assert "different views (8 and 2)" in answer.json()["error"]["message"]
    assert client.get("/api/v1/evaluations/compare", params={"a": two[0], "b": "0"}).status_code == 404


SET = "arc-agi-1/evaluation"


@pytest.fixture
def traced(client: httpx.Client, database: Engine) -> tuple[int, str]:
    """(evaluation, task) with four votes, three for the truth, and two ACT steps; then one without."""
    run_id = client.post("/api/v1/runs", json={"preset": "quick"}).json()["id"]
    with session_scope(database) as session:
        one, other = datasets.tasks(session, SET)[:2]
        truth, wrong = one.tests[0].output, Grid.from_digits("1")
        assert truth
        key = EvaluationKey(SET, step=5, weights="ema", views=4, act_steps=2, task_ids=(one.id, other.id))
        evaluation_id = predictions.start_evaluation(session, run_id, key)
        votes = [
            ViewVote(0, 0, "0123456789", truth, 0.5),
            ViewVote(1, 4, "0213456789", wrong, 0.25),
            ViewVote(2, 4, "0123456798", truth, 0.75),
            ViewVote(3, 6, "0123456798", truth, float("nan")),
        ]
        steps = [ActStep(1, wrong, 0.125), ActStep(2, truth, 0.5)]
        points = (SearchPoint(0, 0.5, 0.0, wrong, 0.25), SearchPoint(9, 0.25, 0.125, truth, 0.5))
        searched = SearchTrace(
            points, 9, 84, steps=12, start=2, before=SearchLoss(0.5, 0.75), after=SearchLoss(0.25, 0.625)
        )
        learned = (AdaptationPoint(5, 1.5), AdaptationPoint(10, float("inf")))
        adaptation = AdaptationTrace("embedding", 10, 240, 64, learned, seconds=2.5)
        trace = trace_of(votes, steps, [truth, wrong], searched, adaptation)
        predictions.add_outcome(session, evaluation_id, TestOutcome(one.id, 0, 4, 1, (), trace=trace))
        predictions.add_outcome(session, evaluation_id, TestOutcome(other.id, 0, 4, None, ()))
    return evaluation_id, one.id


def test_the_votes_on_a_test_input_name_their_views(client: httpx.Client, traced: tuple[int, str]) -> None:
    evaluation_id, task_id = traced
    found = client.get(f"/api/v1/evaluations/{evaluation_id}/tasks/{task_id}/0/votes").json()
    task = client.get(f"/api/v1/sets/{SET}/tasks/{task_id}").json()
    truth = found["truth"]
    assert found["input"] == task["tests"][0]["input"]
    assert truth == task["tests"][0]["output"]
    assert (found["views"], found["agreement"], found["truth_rank"]) == (4, 0.75, 1)
    assert found["candidates"] == [
        {"rank": 1, "grid": truth, "votes": 3, "confidence": None, "correct": True, "views": [0, 2, 3]},
        {"rank": 2, "grid": "1", "votes": 1, "confidence": 0.25, "correct": False, "views": [1]},
    ]
    assert found["by_dihedral"][1] == {
        "dihedral": 4, "name": "left-right flip", "views": 2, "agree": 1, "correct": 1,
    }  # fmt: skip
    assert found["votes"][1] == {
        "view": 1, "dihedral": 4, "colours": "0213456789", "candidate": 2, "halting_probability": 0.25,
    }  # fmt: skip


def test_the_steps_of_a_test_input_show_where_it_turned_right(
    client: httpx.Client, traced: tuple[int, str]
) -> None:
    evaluation_id, task_id = traced
    found = client.get(f"/api/v1/evaluations/{evaluation_id}/tasks/{task_id}/0/steps").json()
    assert [(each["step"], each["correct"]) for each in found["steps"]] == [(1, False), (2, True)]
    assert found["steps"][0] == {
        "step": 1, "grid": "1", "halting_probability": 0.125, "correct": False, "cell_accuracy": 0.0,
    }  # fmt: skip


def test_what_was_not_kept_is_not_found_and_says_why(client: httpx.Client, traced: tuple[int, str]) -> None:
    evaluation_id, task_id = traced
    listed = client.get(f"/api/v1/sets/{SET}/tasks").json()
    other = next(each for each in listed if each != task_id)
    for path, said in (
        (f"{evaluation_id}/tasks/{other}/0/steps", "trace_steps"),
        (f"{evaluation_id}/tasks/{other}/0/votes", "Evaluate the checkpoint again"),
        (f"{evaluation_id}/tasks/{task_id}/7/votes", "no outcome of"),
        ("999999/tasks/x/0/steps", "Evaluation 999999 not found"),
    ):
        answer = client.get(f"/api/v1/evaluations/{path}")
        assert answer.status_code == 404
        assert said in str(answer.json())


def test_the_search_of_a_test_input_is_shown_by_step(client: httpx.Client, traced: tuple[int, str]) -> None:
    evaluation_id, task_id = traced
    found = client.get(f"/api/v1/evaluations/{evaluation_id}/tasks/{task_id}/0/search").json()
    assert (found["kept_step"], found["decodes"]) == (9, 84)
    assert [(each["step"], each["loss"], each["correct"]) for each in found["points"]] == [
        (0, 0.5, False),
        (9, 0.25, True),
    ]
    assert found["points"][1]["grid"] == found["truth"]
    assert (found["steps"], found["start"]) == (12, 2)
    assert [found["loss_before"], found["loss_after"]] == [0.5, 0.25]
    assert [found["held_out_before"], found["held_out_after"]] == [0.75, 0.625]


def test_the_task_page_tells_what_a_search_found(client: httpx.Client, traced: tuple[int, str]) -> None:
    evaluation_id, task_id = traced
    page = client.get(f"/tasks/{SET}/{task_id}?test=1&evaluation={evaluation_id}").text
    text = " ".join(page.split())
    for said in (
        "84 decodes for all views · kept: step 9 of 12, from start 2",
        "Loss of the demonstrations 0.500 at the start, 0.250 with the latent that was kept",
        "of the held-out demonstration, which had no part in the steps, 0.750 and 0.625",
    ):
        assert said in text, said


def test_what_learning_a_task_took_is_shown_by_step(client: httpx.Client, traced: tuple[int, str]) -> None:
    evaluation_id, task_id = traced
    found = client.get(f"/api/v1/evaluations/{evaluation_id}/tasks/{task_id}/0/adaptation").json()
    assert (found["steps"], found["learned"], found["decodes"], found["seconds"]) == (10, 64, 240, 2.5)
    assert found["points"] == [{"step": 5, "loss": 1.5}, {"step": 10, "loss": None}]
    page = client.get(f"/tasks/{SET}/{task_id}", params={"evaluation": evaluation_id}).text
    assert "240 demonstrations decoded" in page
    listed = client.get(f"/api/v1/sets/{SET}/tasks").json()
    other = next(each for each in listed if each != task_id)
    missing = client.get(f"/api/v1/evaluations/{evaluation_id}/tasks/{other}/0/adaptation")
    assert missing.status_code == 404
    assert "with an adaptation" in missing.text


def test_a_search_that_was_not_made_is_not_found(client: httpx.Client, traced: tuple[int, str]) -> None:
    evaluation_id, _ = traced
    other = client.get(f"/api/v1/evaluations/{evaluation_id}/tasks/nothing/0/search")
    assert other.status_code == 404


def test_the_queue_lists_evaluations_by_where_they_stand(client: httpx.Client, database: Engine) -> None:
    run_id = record_run(database, points=5)
    running = record_evaluation_job(database, run_id, "elsewhere.1.22.3", views=32)
    waiting = record_evaluation_job(database, run_id, views=64)
    mine = (running, waiting)  # the shared lab's queue holds what other tests left there
    found = {
        part: [each for each in listed if each["id"] in mine]
        for part, listed in client.get("/api/v1/queue").json()["evaluations"].items()
    }
    assert [[each["id"] for each in found[part]] for part in ("running", "waiting", "ended")] == [
        [running], [waiting], [],
    ]  # fmt: skip
    assert found["running"][0]["compute"]["workers"][0]["worker_id"] == "elsewhere.1.22.3"
    assert "no worker is online" in found["waiting"][0]["waiting_reason"]
    with client.stream("GET", "/api/v1/queue/events") as response:
        events = events_of(response)
        next(events)
        assert client.post(f"/api/v1/evaluations/{waiting}/cancel").json()["status"] == "cancelled"
        told = next(events).data["evaluations"]
    assert [each[:2] for each in told if each[0] in mine] == [[running, "running"], [waiting, "cancelled"]]
