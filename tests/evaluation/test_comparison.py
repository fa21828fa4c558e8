"""Two evaluations: who is better on the same tasks, and what may not be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from sqlalchemy import Engine

from backend.db.session import reading_scope, session_scope
from backend.domain.records import TRUTH_UNKNOWN, EvaluationKey, EvaluationSummary, TestOutcome
from backend.evaluation import comparison
from backend.evaluation import outcomes as predictions
from backend.kit.errors import Conflict, InvalidInput, NotFound
from tests.support.records.rows import add_run

TASKS = tuple(f"task{number:02}" for number in range(12))
KEY = EvaluationKey("held-out", step=100, weights="ema", views=8, act_steps=4, task_ids=TASKS)
RUNS = ("aaaaaaaaaa", "bbbbbbbbbb")


@pytest.fixture(autouse=True)
def _runs(engine: Engine) -> None:
    for run_id in RUNS:
        add_run(engine, run_id, config={"data": {"training_sets": ["trained"]}})


def evaluated(
    engine: Engine, run_id: str, ranks: Sequence[Sequence[int | None]], key: EvaluationKey = KEY
) -> int:
    """Id of a finished evaluation in which task i has these truth ranks."""
    with session_scope(engine) as session:
        evaluation_id = predictions.start_evaluation(session, run_id, key)
        for task_id, of_task in zip(key.task_ids, ranks, strict=False):
            for index, rank in enumerate(of_task):
                note = TRUTH_UNKNOWN if rank == -1 else ""
                found = TestOutcome(task_id, index, 8, None if rank == -1 else rank, (), note)
                predictions.add_outcome(session, evaluation_id, found)
        predictions.finish_evaluation(session, evaluation_id, EvaluationSummary(key, {}))
    return evaluation_id


def test_a_solves_more_than_b(engine: Engine) -> None:
    a = evaluated(engine, RUNS[0], [[1]] * 9 + [[1, None], [None], [-1]])
    b = evaluated(engine, RUNS[1], [[1]] * 2 + [[2]] * 7 + [[None, None], [1], [-1]])
    with reading_scope(engine) as session:
        found = comparison.compare(session, str(a), str(b))
        by_run = comparison.compare(session, *RUNS)
        second = comparison.compare(session, str(a), str(b), k=2)
    assert found == by_run
    assert (found.n, found.a.score.solved, found.b.score.solved) == (11, 9.5, 3)
    assert found.only_a == list(TASKS[2:9])
    assert (found.only_b, found.both, found.neither, found.partly) == (
        [TASKS[10]], list(TASKS[:2]), [], [TASKS[9]],
    )  # fmt: skip
    assert found.p_value == pytest.approx(18 / 256)
    assert found.difference.mean == pytest.approx(6.5 / 11)
    assert found.difference.low > 0
    assert found.verdict == "undecided"  # both must agree, and McNemar's test does not
    assert found.words.startswith("undecided: 9.5/11 against 3/11, difference 59 points [")
    assert second.a.score.k == 2
    assert second.only_a == []


def test_what_all_agrees_on_is_decided(engine: Engine) -> None:
    a = evaluated(engine, RUNS[0], [[1]] * 12)
    b = evaluated(engine, RUNS[1], [[None]] * 12)
    with reading_scope(engine) as session:
        found = comparison.compare(session, str(b), str(a))
    assert (found.verdict, found.p_value) == ("b", 2 / 4096)
    assert (
        found.words == "b solves more: 0/12 against 12/12, difference -100 points [-100 to -76], p = 0.00049."
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"views": 16}, "different views (8 and 16)"),
        ({"weights": "raw"}, "different weights (EMA and raw)"),
        (
            {"search": '{"kind":"gradient","steps":5}'},
            "different searches (none and gradient 5 x 0.1, asked at ACT step 1)",
        ),
        ({"act_steps": 1}, "different ACT steps (4 and 1)"),
        ({"set_name": "elsewhere"}, "different task sets (held-out and elsewhere)"),
        ({"task_ids": ("a", "b")}, "different tasks (12 and 2, none in common)"),
    ],
)
def test_other_protocols_are_refused_with_the_reason(engine: Engine, changes: dict, said: str) -> None:
    a = evaluated(engine, RUNS[0], [[1]] * 12)
    b = evaluated(engine, RUNS[1], [[1]] * 12, replace(KEY, **changes))
    with reading_scope(engine) as session, pytest.raises(Conflict) as refused:
        comparison.compare(session, str(a), str(b))
    assert said in refused.value.message


def test_only_tasks_that_both_evaluated_count(engine: Engine) -> None:
    a = evaluated(engine, RUNS[0], [[1]] * 12)
    b = evaluated(engine, RUNS[1], [[1], [None], [None]], replace(KEY, task_ids=(*TASKS[10:], "another")))
    with reading_scope(engine) as session:
        found = comparison.compare(session, str(a), str(b))
    assert (found.n, found.both, found.only_a) == (2, [TASKS[10]], [TASKS[11]])
    assert (found.a.score.solved, found.a.score.n, found.b.score.n) == (2, 2, 2)
    assert found.words.endswith("On the 2 tasks that both evaluated, of 12 and 3.")


def test_every_reason_is_named_and_an_unfinished_evaluation_is_one(engine: Engine) -> None:
    a = evaluated(engine, RUNS[0], [[1]] * 12)
    with session_scope(engine) as session:
        b = predictions.start_evaluation(session, RUNS[1], replace(KEY, views=2, weights="raw"))
    with reading_scope(engine) as session, pytest.raises(Conflict) as refused:
        comparison.compare(session, str(a), str(b))
    assert f"evaluation {b} is not finished (running); different views (8 and 2); different weights" in str(
        refused.value
    )


def test_a_wrong_side_is_named(engine: Engine) -> None:
    a = evaluated(engine, RUNS[0], [[1]] * 12)
    with reading_scope(engine) as session:
        for side, said in (
            ("999", "Evaluation 999 not found"),
            (RUNS[1], "no finished evaluation"),
            ("x", "Run 'x' not found"),
        ):
            with pytest.raises(NotFound, match=said):
                comparison.compare(session, str(a), side)
        for k, side, field in ((0, str(a), "k"), (1, " ", "b")):
            with pytest.raises(InvalidInput) as wrong:
                comparison.compare(session, str(a), side, k)
            assert [each.field for each in wrong.value.problems] == [field]
