"""What evaluations made of test inputs, across runs."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from sqlalchemy import Engine

from backend.data import queries as task_rows
from backend.db.session import reading_scope, session_scope
from backend.domain.arc.grid import Grid
from backend.domain.arc.task import Pair, Task, TestPair
from backend.domain.records import EvaluationKey, FailureMode, Prediction, TestOutcome
from backend.evaluation import outcomes as predictions
from backend.gallery import service as gallery
from backend.gallery.service import Filter
from backend.kit.errors import InvalidInput, NotFound
from backend.lifecycle import service as runs
from backend.scores.tables import Evaluation
from tests.support.records.rows import add_run

SET = "mine"
SIDES = {"a": 4, "b": 4, "c": 14, "d": 30}


def task(name: str) -> Task:
    grid = Grid.of([[1] * SIDES[name]] * 2)
    return Task(name, (Pair(grid, grid),), (TestPair(grid, grid), TestPair(grid, grid)))


def outcome(name: str, test: int, rank: int | None) -> TestOutcome:
    """An answer with the truth at `rank` of two candidates, None: never voted for."""
    wrong = Prediction(1, Grid.of([[2]]), 3, 0.5, False, 0.0, FailureMode.WRONG_SIZE)
    right = Prediction(rank or 1, task(name).tests[0].output or Grid(()), 5, 0.9, True, 1.0, None)
    kept = {1: (right,), 2: (wrong, right), None: (wrong,)}[rank]
    return TestOutcome(name, test, 8, rank, kept)


@dataclass
class Recorded:
    old: int
    new: int
    other: int


@pytest.fixture
def recorded(engine: Engine) -> Recorded:
    """Two checkpoints of one run and one of another. Ranks of the truth, test 1: see below; test 2: none."""
    add_run(engine, "detrun0000", variant="deterministic")
    add_run(engine, "trmrun0000", variant="trm")
    ranks = {
        ("detrun0000", 100): {"a": None, "b": 1, "c": 1, "d": None},
        ("detrun0000", 200): {"a": 1, "b": None, "c": 1, "d": 2},
        ("trmrun0000", 200): {"a": 1, "b": 2, "c": None},
    }
    ids = []
    with session_scope(engine) as session:
        assert task_rows.add_set_once(session, SET, "imported", 0.0)
        task_rows.add_tasks(session, SET, [task(name) for name in SIDES])
        for (run, step), found in ranks.items():
            key = EvaluationKey(SET, step, "ema", 8, 4, tuple(found))
            ids.append(predictions.start_evaluation(session, run, key))
            for name, rank in found.items():
                predictions.add_outcome(session, ids[-1], outcome(name, 0, rank))
                predictions.add_outcome(session, ids[-1], outcome(name, 1, None))
    return Recorded(*ids)


def listed(engine: Engine, limit: int = 50, **wanted: object) -> list[tuple[int, str, int]]:
    """(evaluation, task, test) of every page, each page asked by the cursor of the one before."""
    found, cursor = [], None
    with reading_scope(engine) as session:
        while True:
            page = gallery.page(session, Filter(**wanted), limit, cursor)  # type: ignore[arg-type]
            for item in page.items:
                assert item.answers[0] is not None
                found.append((item.answers[0].source.evaluation, item.task_id, item.test_index))
            cursor = page.next_cursor
            if cursor is None:
                return found


def test_pages_of_any_size_hold_every_test_input_once_in_one_order(
    engine: Engine, recorded: Recorded
) -> None:
    everything = listed(engine)

    assert len(everything) == len(set(everything)) == 22
    assert everything[0] == (recorded.other, "a", 0)
    assert everything == sorted(everything, key=lambda each: (-each[0], *each[1:]))
    for limit in (1, 3, 21):
        assert listed(engine, limit) == everything


def test_every_filter_keeps_what_it_names(engine: Engine, recorded: Recorded) -> None:
    def tasks(**wanted: object) -> set[tuple[int, str]]:
        return {(evaluation, name) for evaluation, name, _ in listed(engine, **wanted)}

    assert {each for each, _ in tasks(runs=("detrun0000",))} == {recorded.old, recorded.new}
    assert {each for each, _ in tasks(variant="trm")} == {recorded.other}
    assert {name for _, name in tasks(task="C")} == {"c"}
    assert {name for _, name in tasks(size="small")} == {"a", "b"}
    assert {name for _, name in tasks(size="large")} == {"d"}
    assert tasks(mode="correct", runs=("detrun0000",)) == {
        (recorded.old, "b"), (recorded.old, "c"), (recorded.new, "a"), (recorded.new, "c")
    }  # fmt: skip
    assert tasks(set_name="other") == set()


def test_two_evaluations_are_compared_on_what_both_asked(engine: Engine, recorded: Recorded) -> None:
    def tasks(change: str, a: int, b: int, attempts: int = 1) -> set[str]:
        wanted = {"evaluations": (a, b), "change": change, "attempts": attempts}
        return {name for _, name, test in listed(engine, **wanted) if test == 0}

    new, old, other = recorded.new, recorded.old, recorded.other
    assert tasks("a_only", new, old) == {"a"}  # fixed since the old checkpoint
    assert tasks("b_only", new, old) == {"b"}  # broken since
    assert tasks("differ", new, old) == {"a", "b"}
    assert tasks("both", new, old) == {"c"}
    assert tasks("neither", new, old) == {"d"}
    assert tasks("a_only", new, old, attempts=2) == {"a", "d"}
    assert tasks("neither", new, other) == {"b"}  # d was not asked of the other
    assert tasks("b_only", new, other, attempts=2) == {"b"}


def test_columns_stand_in_the_order_asked_and_say_where_nothing_was_asked(
    engine: Engine, recorded: Recorded
) -> None:
    wanted = Filter(evaluations=(recorded.new, recorded.other))
    with reading_scope(engine) as session:
        page = gallery.page(session, wanted)
        modes = gallery.modes(session, wanted)
        newest = gallery.newest_of_each_variant(session, SET)
        earlier = gallery.earlier(session, gallery.sources(session, [recorded.new])[0])

    by_place = {(item.task_id, item.test_index): item for item in page.items}
    a, d = by_place["a", 0], by_place["d", 0]
    assert [each.source.variant for each in a.answers if each] == ["deterministic", "trm"]
    assert d.answers[1] is None
    assert modes == {"correct": 2, "wrong size": 6}
    assert (newest, earlier) == ((), ())  # nothing has finished


def test_what_cannot_be_used_is_named(engine: Engine, recorded: Recorded) -> None:
    wrong = [
        (Filter(mode="wrong siez"), "Did you mean 'wrong size'?"),
        (Filter(size="huge"), "small"),
        (Filter(change="a_only"), "Give evaluation twice"),
        (Filter(evaluations=tuple(range(7))), "at most 6"),
    ]
    with reading_scope(engine) as session:
        for wanted, said in wrong:
            with pytest.raises(InvalidInput) as caught:
                gallery.page(session, wanted)
            assert said in str(caught.value.problems[0])
        with pytest.raises(InvalidInput):
            gallery.page(session, Filter(), cursor="12")
        with pytest.raises(NotFound):
            gallery.page(session, Filter(evaluations=(recorded.new, 10**6)))


def test_what_an_ablation_asked_is_met_only_where_its_evaluation_is_named(
    engine: Engine, recorded: Recorded
) -> None:
    with session_scope(engine) as session:
        session.get_one(Evaluation, recorded.new).set_aside = True

    everything = {evaluation for evaluation, _, _ in listed(engine)}
    named = {evaluation for evaluation, _, _ in listed(engine, evaluations=(recorded.new,))}
    with reading_scope(engine) as session:
        answers = gallery.of_task(session, SET, "b", 0)
        solved = gallery.solved_by_task(session, SET, ["b"])
        modes = gallery.modes(session, Filter())
        offered = gallery.choices(session, SET).evaluations
        results = runs.get(session, "detrun0000").results

    assert (everything, named) == ({recorded.other, recorded.old}, {recorded.new})
    assert [each.source.evaluation for each in answers] == [recorded.other, recorded.old]
    assert (solved, modes) == ({"b": (1, 4)}, {"correct": 3, "wrong size": 11})
    assert [each.evaluation for each in offered] == [recorded.other, recorded.old]
    assert [result.id for result in results] == [recorded.old]


def test_a_task_has_the_answers_of_all_evaluations(engine: Engine, recorded: Recorded) -> None:
    with reading_scope(engine) as session:
        answers = gallery.of_task(session, SET, "b", 0)
        solved = gallery.solved_by_task(session, SET, ["a", "b", "d"])

    found = [(each.source.evaluation, each.outcome.truth_rank) for each in answers]
    assert found == [(recorded.other, 2), (recorded.new, None), (recorded.old, 1)]
    assert solved == {"a": (2, 6), "b": (1, 6), "d": (0, 4)}
