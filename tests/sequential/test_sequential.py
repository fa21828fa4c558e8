"""Sequential comparisons: more views only while it is undecided which of two checkpoints solves more."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import Engine

from backend.data import service as datasets
from backend.db.session import reading_scope, session_scope
from backend.domain.config.presets import quick
from backend.domain.evaluation_request import EvaluationRequest
from backend.domain.records import Checkpoint, EvaluationSummary, TestOutcome
from backend.evaluation import outcomes as predictions
from backend.evaluation import service as evaluations
from backend.kit.errors import InvalidInput
from backend.runs import checkpoints
from backend.runs.status import RunStatus
from backend.scores import queries as evaluation_rows
from backend.scores.transition import transition_evaluation
from backend.sequential import service as sequential
from backend.sequential.service import SequentialRequest, SequentialView
from tests.support.records.rows import add_run

RUNS = ("aaaaaaaaaa", "bbbbbbbbbb")
TASKS = [f"task{number:02}" for number in range(20)]
ASKED = SequentialRequest(a=RUNS[0], b=RUNS[1], views=(4, 8, 16), evaluation=EvaluationRequest(set="mine"))


@pytest.fixture(autouse=True)
def _runs(engine: Engine) -> None:
    pair = {"input": [[1, 2]], "output": [[2, 1]]}
    content = json.dumps({key: {"train": [pair], "test": [pair]} for key in TASKS}).encode()
    with session_scope(engine) as session:
        datasets.import_files(session, "mine", [(content, "mine.json")])
    for run_id in RUNS:
        add_run(engine, run_id, config=quick().model_dump(mode="json"), status=RunStatus.FINISHED)
        with session_scope(engine) as session:
            checkpoints.add(session, run_id, Checkpoint(100, f"{run_id}/100", "0", 1))


def start(engine: Engine, asked: SequentialRequest = ASKED) -> tuple[SequentialView, list[tuple[int, int]]]:
    with session_scope(engine) as session:
        return sequential.request(session, asked)


def solve(engine: Engine, evaluation_id: int, solved: int) -> None:
    """Finish an evaluation that solves the first `solved` tasks."""
    with session_scope(engine) as session:
        evaluation = evaluation_rows.get(session, evaluation_id)
        assert evaluation is not None
        transition_evaluation(session, evaluation, (RunStatus.QUEUED,), RunStatus.RUNNING)  # as a worker does
        for number, task_id in enumerate(TASKS):
            outcome = TestOutcome(task_id, 0, 4, 1 if number < solved else None, ())
            predictions.add_outcome(session, evaluation_id, outcome)
        (key,) = [
            each.key
            for run_id in RUNS
            for each in predictions.evaluations(session, run_id)
            if each.id == evaluation_id
        ]
        predictions.finish_evaluation(session, evaluation_id, EvaluationSummary(key, {}))


def advance(engine: Engine, view: SequentialView) -> tuple[SequentialView, list[tuple[int, int]]]:
    with session_scope(engine) as session:
        started = sequential.advance(session)
        return sequential.get(session, view.id), started


def test_views_grow_while_it_is_undecided_and_stop_once_it_is_decided(engine: Engine) -> None:
    view, started = start(engine)
    assert [workers for _, workers in started] == [1, 1]
    assert advance(engine, view)[1] == []  # nothing is finished yet
    for (evaluation_id, _), solved in zip(started, (9, 8), strict=True):
        solve(engine, evaluation_id, solved)
    view, started = advance(engine, view)
    assert (view.status, [each.views for each in view.rounds]) == ("running", [4, 8])
    assert view.rounds[0].words.startswith("undecided: 9/20 against 8/20")
    with session_scope(engine) as session:  # a newer checkpoint is none of its business
        checkpoints.add(session, RUNS[0], Checkpoint(200, "x", "0", 1))
    for (evaluation_id, _), solved in zip(started, (15, 3), strict=True):
        solve(engine, evaluation_id, solved)
    view, started = advance(engine, view)
    assert (view.status, started) == ("decided", [])
    assert view.words.startswith("a solves more: 15/20 against 3/20")
    with reading_scope(engine) as session:
        steps = {evaluations.get(session, each.evaluation_a).step for each in view.rounds}
        assert steps == {100}
        assert sequential.find(session) == [view]


def test_every_round_is_a_look_that_the_p_value_is_adjusted_for(engine: Engine) -> None:
    view, started = start(engine)
    for (evaluation_id, _), solved in zip(started, (6, 0), strict=True):  # p = 0.031 of one look
        solve(engine, evaluation_id, solved)

    view, started = advance(engine, view)

    assert (view.status, len(started)) == ("running", 2)
    assert "p = 0.031, 0.094 adjusted for 3 comparisons" in view.rounds[0].words


def test_at_the_last_round_it_stays_undecided_and_nothing_is_computed_twice(engine: Engine) -> None:
    view, started = start(engine)
    for _ in range(3):
        for evaluation_id, _workers in started:
            solve(engine, evaluation_id, 5)
        view, started = advance(engine, view)
    assert (view.status, len(view.rounds)) == ("undecided", 3)
    again, started = start(engine)
    assert started == []
    assert again.rounds[0].evaluation_a == view.rounds[0].evaluation_a
    for _ in range(3):
        again, started = advance(engine, again)
        assert started == []
    assert again.status == "undecided"


def test_a_cancelled_evaluation_ends_it(engine: Engine) -> None:
    view, started = start(engine)
    with session_scope(engine) as session:
        evaluations.cancel(session, started[0][0])
    view, _ = advance(engine, view)
    assert (view.status, view.words) == ("failed", f"evaluation {started[0][0]} is cancelled.")


@pytest.mark.parametrize(
    ("changes", "field"), [({"views": (8, 4)}, "views"), ({"views": (4, 4)}, "views"), ({"b": RUNS[0]}, "b")]
)
def test_what_cannot_be_decided_is_refused(engine: Engine, changes: dict, field: str) -> None:
    with pytest.raises(InvalidInput) as wrong:
        start(engine, ASKED.model_copy(update=changes))
    assert [each.field for each in wrong.value.problems] == [field]
