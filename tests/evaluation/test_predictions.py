"""Evaluations and predictions: idempotent, resumable, paged with all it takes to draw them."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from sqlalchemy import Engine

from backend.data import service as datasets
from backend.db.session import reading_scope, session_scope
from backend.domain.arc.grid import Grid
from backend.domain.records import (
    EvaluationKey,
    EvaluationSummary,
    FailureMode,
    Prediction,
    Score,
    TestOutcome,
)
from backend.evaluation import outcomes as predictions
from backend.kit.errors import InvalidInput
from tests.support.records.rows import add_run

RUN = "aaaaaaaaaa"
TASKS = tuple(f"task{number}" for number in range(6))
KEY = EvaluationKey("mine", step=100, weights="ema", views=8, act_steps=4, task_ids=TASKS)
RIGHT = Grid.of([[2, 1]])


@pytest.fixture(autouse=True)
def _run(engine: Engine) -> None:
    task = {
        "train": [{"input": [[1, 2]], "output": [[2, 1]]}],
        "test": [{"input": [[1, 2]], "output": [[2, 1]]}],
    }
    add_run(engine, RUN)
    with session_scope(engine) as session:
        content = json.dumps(dict.fromkeys(TASKS, task)).encode()
        datasets.import_files(session, "mine", [(content, "mine.json")])


def candidate(rank: int, mode: FailureMode | None, grid: Grid = RIGHT) -> Prediction:
    return Prediction(rank, grid, votes=9 - rank, confidence=0.5, correct=mode is None, cell_accuracy=0.5,
                      failure_mode=mode)  # fmt: skip


def outcome(task_id: str, mode: FailureMode | None = None) -> TestOutcome:
    candidates = (candidate(1, mode), candidate(2, FailureMode.EMPTY, Grid(())))
    return TestOutcome(task_id, 0, views=8, truth_rank=1 if mode is None else None, candidates=candidates)


def test_an_outcome_comes_back_as_it_was_with_its_task(engine: Engine) -> None:
    given = outcome("task3", FailureMode.NEARLY_RIGHT)
    with session_scope(engine) as session:
        predictions.add_outcome(session, predictions.start_evaluation(session, RUN, KEY), given)
    with reading_scope(engine) as session:
        (item,) = predictions.page(session, RUN).items
        assert item.outcome == given
        assert item.task == datasets.task(session, "mine", "task3")
    assert (item.truth, item.test_input) == (RIGHT, Grid.of([[1, 2]]))
    assert (item.set_name, item.step, item.weights) == ("mine", 100, "ema")


def test_an_evaluation_that_stopped_goes_on_where_it_was(engine: Engine) -> None:
    with session_scope(engine) as session:
        first = predictions.start_evaluation(session, RUN, KEY)
        predictions.add_outcome(session, first, outcome("task0"))
        predictions.add_outcome(session, first, outcome("task1"))
    with session_scope(engine) as session:
        again = predictions.start_evaluation(session, RUN, KEY)
        assert again == first
        assert predictions.done_keys(session, again) == {("task0", 0), ("task1", 0)}
        assert predictions.outcomes(session, again) == (outcome("task0"), outcome("task1"))


def test_other_tasks_or_another_search_are_another_evaluation(engine: Engine) -> None:
    with session_scope(engine) as session:
        first = predictions.start_evaluation(session, RUN, KEY)
        predictions.add_outcome(session, first, outcome("task1"))
        others = [
            predictions.start_evaluation(session, RUN, changed)
            for changed in (replace(KEY, task_ids=("task1", "task2")), replace(KEY, search='{"steps":5}'))
        ]
        again = predictions.start_evaluation(session, RUN, replace(KEY, task_ids=TASKS[::-1]))
    assert len({first, *others}) == 3
    assert again == first
    with reading_scope(engine) as session:
        assert [predictions.done_keys(session, each) for each in others] == [frozenset(), frozenset()]


def test_another_checkpoint_weights_or_views_is_another_evaluation(engine: Engine) -> None:
    keys = [KEY, replace(KEY, step=200), replace(KEY, weights="raw"), replace(KEY, views=9)]
    with session_scope(engine) as session:
        ids = {predictions.start_evaluation(session, RUN, key) for key in keys}
        assert len(ids) == 4
        assert [each.key for each in predictions.evaluations(session, RUN)] == keys[::-1]


def test_an_outcome_written_twice_is_there_once_as_last_written(engine: Engine) -> None:
    with session_scope(engine) as session:
        evaluation = predictions.start_evaluation(session, RUN, KEY)
        predictions.add_outcome(session, evaluation, outcome("task0", FailureMode.EMPTY))
        predictions.add_outcome(session, evaluation, outcome("task0"))
        assert predictions.outcomes(session, evaluation) == (outcome("task0"),)


def test_a_finished_evaluation_has_its_scores(engine: Engine) -> None:
    summary = EvaluationSummary(
        KEY, {1: Score(0.5, 6), 2: Score(1.5, 6)}, {"empty": 4}, 12.5, {"reliance": 0.25}
    )
    with session_scope(engine) as session:
        evaluation = predictions.start_evaluation(session, RUN, KEY)
        predictions.add_outcome(session, evaluation, outcome("task0"))
        (running,) = predictions.evaluations(session, RUN)
        predictions.finish_evaluation(session, evaluation, summary)
        (finished,) = predictions.evaluations(session, RUN)
    assert (running.status, running.outcomes, running.passes) == ("running", 1, {})
    assert (finished.status, finished.passes, finished.failure_modes) == (
        "finished",
        summary.passes,
        {"empty": 4},
    )
    assert (finished.seconds, finished.extras, finished.key) == (12.5, {"reliance": 0.25}, KEY)


def test_pages_hold_each_outcome_once_newest_evaluation_first(engine: Engine) -> None:
    with session_scope(engine) as session:
        for step in (100, 200):
            evaluation = predictions.start_evaluation(session, RUN, replace(KEY, step=step))
            for task_id in TASKS:
                predictions.add_outcome(session, evaluation, outcome(task_id))
    seen: list[tuple[int, str]] = []
    cursor: str | None = None
    with reading_scope(engine) as session:
        while True:
            page = predictions.page(session, RUN, limit=5, cursor=cursor)
            seen += [(item.step, item.outcome.task_id) for item in page.items]
            cursor = page.next_cursor
            if cursor is None:
                break
        only = predictions.page(session, RUN, evaluation=page.items[0].evaluation_id)
    assert seen == [(step, task_id) for step in (200, 100) for task_id in TASKS]
    assert [item.step for item in only.items] == [100] * 6


def test_outcomes_are_found_by_the_failure_mode_of_the_first_attempt(engine: Engine) -> None:
    modes = [None, FailureMode.WRONG_SIZE, None, FailureMode.COLLAPSED]
    with session_scope(engine) as session:
        evaluation = predictions.start_evaluation(session, RUN, KEY)
        for task_id, mode in zip(TASKS, modes, strict=False):
            predictions.add_outcome(session, evaluation, outcome(task_id, mode))

        def found(mode: str) -> list[str]:
            return [item.outcome.task_id for item in predictions.page(session, RUN, mode).items]

        assert found("wrong size") == ["task1"]
        assert found("correct") == ["task0", "task2"]
        assert found("empty") == []  # a second attempt does not count
        assert len(found("")) == 4


@pytest.mark.parametrize(
    ("asked", "field", "said"),
    [
        ({"failure_mode": "wrong sise"}, "failure_mode", "Did you mean 'wrong size'"),
        ({"limit": 0}, "limit", "1 to 200"),
        ({"cursor": "abc"}, "cursor", "start over"),
    ],
)
def test_a_question_that_cannot_be_answered_is_refused_by_field(
    engine: Engine, asked: dict[str, object], field: str, said: str
) -> None:
    with reading_scope(engine) as session, pytest.raises(InvalidInput, match=said) as caught:
        predictions.page(session, RUN, **asked)  # type: ignore[arg-type]
    assert [problem.field for problem in caught.value.problems] == [field]


def test_a_task_that_is_gone_leaves_its_outcome(engine: Engine) -> None:
    with session_scope(engine) as session:
        evaluation = predictions.start_evaluation(session, RUN, replace(KEY, set_name="gone"))
        predictions.add_outcome(session, evaluation, outcome("task0"))
        (item,) = predictions.page(session, RUN).items
    assert (item.task, item.test_input, item.truth) == (None, None, None)


def test_a_diverged_model_has_no_confidence(engine: Engine) -> None:
    diverged = replace(outcome("task0"), candidates=(replace(candidate(1, None), confidence=math.nan),))
    with session_scope(engine) as session:
        evaluation = predictions.start_evaluation(session, RUN, KEY)
        predictions.add_outcome(session, evaluation, diverged)
        assert predictions.outcomes(session, evaluation)[0].candidates[0].confidence == 0.0
