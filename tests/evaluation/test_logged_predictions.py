"""Predictions that a script logs, on both databases."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import Engine

from backend.data import service as datasets
from backend.db.session import reading_scope, session_scope
from backend.domain.arc.grid import Grid
from backend.domain.arc.judging import Candidate
from backend.domain.measurement import Settings
from backend.domain.records import TRUTH_UNKNOWN, LogLine
from backend.evaluation import logged, outcomes
from backend.evaluation.logged import Answer, Checkpoint
from backend.kit.errors import Conflict
from backend.lifecycle import external_runs
from backend.lifecycle import service as runs
from backend.runs.status import RunStatus
from backend.scores import queries as rows

PAIR = {"input": [[1]], "output": [[2]]}
TASKS = {
    "a": {"train": [PAIR], "test": [{"input": [[3]], "output": [[4]]}, {"input": [[5]], "output": [[6]]}]},
    "b": {"train": [PAIR], "test": [{"input": [[3]]}]},  # whose truth is not known
}
AT_10 = Checkpoint("mine", 10, Settings(weights="ema", views=2, act_steps=4))


@pytest.fixture
def run(engine: Engine) -> str:
    with session_scope(engine) as session:
        datasets.import_files(session, "mine", [(json.dumps(TASKS).encode(), "mine.json")])
        return external_runs.create(session, "by a script", {}).id


def answer(task: str, test: int, *grids: str) -> Answer:
    return Answer(task, test, tuple(Candidate(Grid.from_digits(grid)) for grid in grids))


def scores(engine: Engine, run: str) -> list[tuple[int, int, float, int]]:
    """(step, outcomes, solved, n) of the run's evaluations, oldest first."""
    with reading_scope(engine) as session:
        found = outcomes.evaluations(session, run)
        return [
            (each.key.step, each.outcomes, each.passes[1].solved, each.passes[1].n) for each in found[::-1]
        ]


def test_an_evaluation_grows_with_what_is_logged(engine: Engine, run: str) -> None:
    for part, expected in (
        ([answer("a", 0, "4")], (10, 2, 0.5, 1)),
        ([answer("a", 0, "4"), answer("a", 1, "6", "7")], (10, 2, 1.0, 1)),
        ([answer("b", 0, "9"), answer("a", 1, "7", "6")], (10, 3, 0.5, 1)),
    ):
        with session_scope(engine) as session:
            logged.log(session, run, AT_10, part)
        assert scores(engine, run) == [expected]
    with session_scope(engine) as session:
        other = Checkpoint("mine", 20, AT_10.settings)
        evaluation = logged.log(session, run, other, [answer("b", 0, "9")])
        (outcome,) = rows.outcomes_of(session, evaluation)
        assert (outcome.note, outcome.views) == (TRUTH_UNKNOWN, 2)
    assert scores(engine, run) == [(10, 3, 0.5, 1), (20, 1, 0.0, 0)]
    with reading_scope(engine) as session:
        view = runs.get(session, run)
        assert (view.step, view.held_out and view.held_out.set) == (20, "mine")


def test_a_run_that_is_over_takes_nothing_until_its_script_starts_again(engine: Engine, run: str) -> None:
    with session_scope(engine) as session:
        external_runs.finish(session, run, RunStatus.FAILED, "out of memory")
    line = [LogLine(1.5, "info", "again")]
    with session_scope(engine) as session:
        with pytest.raises(Conflict):
            logged.log(session, run, AT_10, [answer("a", 0, "4")])
        with pytest.raises(Conflict):
            external_runs.add_log_lines(session, run, line)
    with session_scope(engine) as session:
        again = external_runs.create(session, "by a script", {}, run_id=run)
        assert (again.status, again.status_cause, again.finished_at) == ("running", "", None)
        assert [external_runs.add_log_lines(session, run, line) for _ in range(2)] == [1, 0]
        logged.log(session, run, AT_10, [answer("a", 0, "4")])
