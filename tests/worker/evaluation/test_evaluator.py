"""Evaluations with a real small model, and with solvers whose answers are known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given

from backend.domain.arc.files import read_built_in
from backend.domain.arc.grid import Grid
from backend.domain.arc.task import Pair, Task, TestPair
from backend.domain.experiment import (
    DataConfig,
    TrmModel,
)
from backend.domain.records import (
    TRUTH_UNKNOWN,
    FailureMode,
    Prediction,
    Score,
    TestOutcome,
)
from tests.support.records.arc import grids, real_tasks
from tests.support.solvers import (
    SMALL,
    TINY,
    KnownSolver,
    Stop,
    answering,
    confidences,
    config,
    copies,
    key,
    run,
    votes,
)
from worker.data.augment import augmentation
from worker.data.puzzles import PuzzleTable
from worker.evaluation.evaluator import evaluate, summarise
from worker.evaluation.plan import Plan
from worker.evaluation.views import questions_by_canvas, views_of
from worker.kit.batch import IGNORE, VOCABULARY, Batch, Region
from worker.models.build import build_reasoner


def test_a_solver_that_copies_its_input_is_undone_to_it_in_every_view() -> None:
    outcomes = run(copies(), SMALL[:20], views=40)
    tests = [test for task in SMALL[:20] for test in task.tests]
    assert len(outcomes) == len(tests)
    for outcome, test in zip(outcomes, tests, strict=True):
        (only,) = outcome.candidates
        assert (only.grid, only.votes, outcome.views) == (test.input, 40, 40)
        assert only.failure_mode in (FailureMode.COPIED_INPUT, FailureMode.COLLAPSED)


def test_a_solver_that_is_right_is_counted_as_right() -> None:
    tasks = [replace(task, tests=tuple(TestPair(t.input, t.input) for t in task.tests)) for task in SMALL[:5]]
    outcomes = run(copies(), tasks)
    assert all(outcome.truth_rank == 1 for outcome in outcomes)
    assert all(outcome.candidates[0].correct for outcome in outcomes)
    assert all(outcome.candidates[0].cell_accuracy == 1 for outcome in outcomes)
    assert summarise(key(tasks), outcomes, 1.0).passes[1] == Score(5, 5)
    assert summarise(key(tasks), outcomes, 1.0).failure_modes == {}


def test_a_solver_that_draws_nothing_fails_as_empty() -> None:
    outcomes = run(KnownSolver(torch.zeros_like), SMALL[:3])
    assert {outcome.candidates[0].failure_mode for outcome in outcomes} == {FailureMode.EMPTY}
    assert {outcome.candidates[0].grid for outcome in outcomes} == {Grid(())}


def test_a_real_model_gives_the_same_numbers_twice() -> None:
    settings = config()
    one, other = (run(build_reasoner(settings, 1), SMALL[:6], settings) for _ in range(2))
    assert one == other
    assert all(sum(each.votes for each in outcome.candidates) <= 8 for outcome in one)


def test_what_the_truth_is_changes_no_candidate() -> None:
    settings = config()
    solver = build_reasoner(settings, 1)
    right = run(solver, SMALL[:6], settings)
    wrong = run(solver, [answering(task, Grid.from_digits("9/9")) for task in SMALL[:6]], settings)
    unknown = run(solver, [answering(task, None) for task in SMALL[:6]], settings)
    assert votes(right) == votes(wrong) == votes(unknown)
    assert confidences(right) == confidences(wrong) == confidences(unknown)
    assert {outcome.note for outcome in unknown} == {TRUTH_UNKNOWN}
    assert all(each.failure_mode is None for outcome in unknown for each in outcome.candidates)


@pytest.mark.parametrize("margin", [None, 0, 1])
@given(task=real_tasks("arc-agi-2/evaluation"), other=grids())
def test_no_token_that_a_solver_sees_depends_on_a_test_output(
    margin: int | None, task: Task, other: Grid
) -> None:
    settings = config(trim=margin).model_copy(update={"data": DataConfig(canvas_sizes=(10, 20, 30))})

    def seen(shown: Task) -> list[tuple[int, Region | None, Batch]]:
        plan = Plan([shown], settings, 3, PuzzleTable())
        planned = [plan.batch(number) for number in range(plan.batches)]
        return [(each.side, each.region, each.batch()) for each in planned]

    truth = seen(task)
    for changed in (answering(task, other), answering(task, None)):
        for (*canvas, batch), (*same_canvas, same) in zip(truth, seen(changed), strict=True):
            assert canvas == same_canvas
            assert all(torch.equal(a, b) for a, b in zip(batch.rows, same.rows, strict=True))
    assert all((batch.labels == IGNORE).all() for *_, batch in truth)


def test_an_evaluation_goes_on_with_what_is_missing() -> None:
    settings = config()
    solver = build_reasoner(settings, 1)
    whole = run(solver, SMALL[:8], settings)
    done = [(outcome.task_id, outcome.test_index) for outcome in whole[:5]]
    rest = run(solver, SMALL[:8], settings, already=done)
    assert [(each.task_id, each.test_index) for each in rest] == [
        (each.task_id, each.test_index) for each in whole[5:]
    ]
    assert rest == whole[5:]


def test_outcomes_come_as_soon_as_their_views_are_done_and_a_stop_ends_it() -> None:
    solver, stop = copies(), Stop()
    running = evaluate(solver, config(), key(SMALL[:10]), SMALL[:10], PuzzleTable(), stop)
    first = next(running)
    assert first.task_id == SMALL[0].id
    assert len(solver.batches) == 1
    stop.requested = True
    assert list(running) == []
    assert len(solver.batches) == 1


@pytest.mark.parametrize("margin", [None, 0])
def test_a_plan_holds_every_view_once_and_knows_where_each_question_lies(margin: int | None) -> None:
    settings = config(batch_size=8, trim=margin).model_copy(
        update={"data": DataConfig(canvas_sizes=(10, 20, 30))}
    )
    plan = Plan(read_built_in("arc-agi-1/evaluation")[:12], settings, 11, PuzzleTable())
    planned = [plan.batch(number) for number in range(plan.batches)]
    everything = [
        (view.question.name, each.number) for batch in planned for view in batch.views for each in view.views
    ]
    assert len(everything) == len(set(everything)) == 11 * len(plan.questions)
    assert plan.views == sum(len(batch.views) for batch in planned)
    assert plan.cells == sum(batch.cells for batch in planned)
    for question in plan.questions:
        holding = [batch.number for batch in planned if question in batch.questions]
        assert list(plan.batches_of(question)) == holding
        assert {planned[number].side for number in holding} == {plan.side_of(question)}


def test_every_act_step_of_the_unchanged_view_is_traced_on_request() -> None:
    settings = config(trace_steps=True, batch_size=3)
    solver = build_reasoner(settings, 1)
    traced = run(solver, SMALL[:3], settings, views=5)
    plain = run(solver, SMALL[:3], config(batch_size=3), views=5)
    for outcome, same in zip(traced, plain, strict=True):
        assert outcome.candidates == same.candidates
        assert outcome.trace
        assert [step.step for step in outcome.trace.steps] == [1, 2]
        (own,) = [vote for vote in outcome.trace.votes if vote.view == 0]
        assert outcome.trace.grids[own.rank - 1] == outcome.trace.steps[-1].grid
        assert own.halting_probability == outcome.trace.steps[-1].halting_probability
        assert same.trace
        assert same.trace.steps == ()


def test_the_trace_says_which_view_voted_for_which_candidate() -> None:
    blue = Grid.from_digits("1")
    task = Task("plain", (Pair(blue, blue),), (TestPair(blue, Grid.from_digits("5")),))
    in_red = KnownSolver(lambda inputs: torch.where(inputs > 1, 4, inputs))
    (outcome,) = run(in_red, [task], config(keep_candidates=100), views=200)
    assert outcome.trace
    assert [vote.view for vote in outcome.trace.votes] == list(range(200))
    for vote in outcome.trace.votes:
        undone = augmentation(0, "plain", vote.view).undo(Grid.from_digits("2"))
        assert outcome.candidates[vote.rank - 1].grid == outcome.trace.grids[vote.rank - 1] == undone


def test_views_of_several_test_inputs_share_a_batch() -> None:
    solver = copies()
    run(solver, SMALL[:6], config(batch_size=32), views=8)
    assert len(solver.batches[0].inputs) == 32


def test_every_view_gets_all_act_steps_and_the_mode_is_left_as_it_was() -> None:
    solver = copies().train()
    evaluation = key(SMALL[:1], views=4, act_steps=7)
    (outcome,) = evaluate(solver, config(), evaluation, SMALL[:1], PuzzleTable(), Stop())
    assert solver.steps == 7
    assert solver.training
    assert not torch.is_inference_mode_enabled()
    assert outcome.candidates[0].confidence == pytest.approx(float(torch.tensor(7.0).sigmoid()))


def test_views_that_look_alike_are_computed_once_and_vote_each() -> None:
    black, blue = Grid.from_digits("0"), Grid.from_digits("01")
    task = Task("plain", (Pair(blue, black),), (TestPair(blue, black),))
    wild = KnownSolver(lambda inputs: torch.where(inputs > 0, inputs, inputs.flip(1)) % VOCABULARY)
    outcomes = run(wild, [task], config(keep_candidates=100), views=500)
    assert wild.views <= 8 * 9  # symmetries x colours of the one colour
    assert outcomes[0].views == 500
    assert sum(each.votes for each in outcomes[0].candidates) == 500
    (question,) = questions_by_canvas([task], config())[10]
    alike = views_of(question, 500, 0, PuzzleTable())
    given = [each.augmentation for view in alike for each in view.views]
    assert len(given) == 500
    assert set(given) == {augmentation(0, "plain", index) for index in range(500)}


def test_with_distinct_views_those_that_look_alike_vote_once() -> None:
    black, blue = Grid.from_digits("0"), Grid.from_digits("01")
    task = Task("plain", (Pair(blue, black),), (TestPair(blue, black),))
    (outcome,) = run(copies(), [task], config(distinct_views=True, keep_candidates=100), views=500)
    assert outcome.views == 4 * 9  # four turns of two cells, nine colours of the one colour
    assert sum(each.votes for each in outcome.candidates) == 36
    rich = run(copies(), SMALL[:1], config(distinct_views=True), views=50)
    assert {each.views for each in rich} == {50}


def test_distinct_views_of_a_known_task_are_its_forms_with_their_rows() -> None:
    settings = config(distinct_views=True).model_copy(
        update={"model": TrmModel(core=TINY, embedding_width=16)}
    )
    puzzles = PuzzleTable([SMALL[0].id], 9, {SMALL[0].id: (0, 3, 4, 8)})
    solver = copies()
    (known,) = run(solver, SMALL[:1], settings, views=3, puzzles=puzzles)
    assert known.views == 3
    assert [row for batch in solver.batches for row in batch.puzzle.tolist()] == [1, 2, 3]


def test_a_prediction_in_an_unseen_colour_is_undone_by_each_view_in_its_own_way() -> None:
    blue = Grid.from_digits("1")
    task = Task("plain", (Pair(blue, blue),), (TestPair(blue, Grid.from_digits("5")),))
    in_red = KnownSolver(lambda inputs: torch.where(inputs > 1, 4, inputs))
    (outcome,) = run(in_red, [task], config(keep_candidates=100), views=200)
    expected: dict[Grid, int] = {}
    for index in range(200):
        grid = augmentation(0, "plain", index).undo(Grid.from_digits("2"))
        expected[grid] = expected.get(grid, 0) + 1
    assert {each.grid: each.votes for each in outcome.candidates} == expected
    assert outcome.truth_rank is not None


def test_the_rank_of_the_truth_counts_candidates_that_are_not_kept() -> None:
    blue = Grid.from_digits("1")
    task = Task("plain", (Pair(blue, blue),), (TestPair(blue, Grid.from_digits("5")),))
    in_red = KnownSolver(lambda inputs: torch.where(inputs > 1, 4, inputs))
    (outcome,) = run(in_red, [task], config(keep_candidates=2), views=200)
    (all_kept,) = run(in_red, [task], config(keep_candidates=100), views=200)
    assert len(outcome.candidates) == 2
    assert outcome.truth_rank == all_kept.truth_rank
    assert outcome.truth_rank is not None
    assert outcome.truth_rank > 2


def test_an_encoder_sees_the_demonstrations_and_no_more_than_it_may() -> None:
    data = DataConfig(canvas_sizes=(10,), max_demonstrations=2)
    settings = config().model_copy(update={"data": data})
    solver = copies()
    run(solver, SMALL[:4], settings, views=1)
    (batch,) = solver.batches
    assert batch.demo_inputs.shape[1] == 2
    assert batch.demo_mask.all()


def test_trm_is_asked_by_the_rows_it_was_trained_on() -> None:
    settings = config().model_copy(update={"model": TrmModel(core=TINY, embedding_width=16)})
    puzzles = PuzzleTable([SMALL[0].id], augmentations=3)
    solver = copies()
    known, unknown = run(solver, [SMALL[0], SMALL[2]], settings, views=6, puzzles=puzzles)
    assert known.views == 4  # the forms that have a row
    assert unknown.views == 6
    rows = torch.cat([batch.puzzle for batch in solver.batches]).tolist()
    assert rows[:4] == [1, 2, 3, 4]
    assert set(rows[4:]) == {0}
    assert all(batch.demo_inputs.shape[1] == 0 for batch in solver.batches)
    assert run(build_reasoner(settings, puzzles.rows), [SMALL[0]], settings, puzzles=puzzles)


def test_a_summary_counts_tasks_by_the_share_of_their_test_inputs() -> None:
    def outcome(task_id: str, index: int, rank: int | None, mode: FailureMode | None, note: str = "") -> Any:
        first = Prediction(1, Grid.from_digits("1"), 1, 0.5, rank == 1, 0.0, mode)
        return TestOutcome(task_id, index, 8, rank, (first,), note)

    outcomes = [
        outcome("a", 0, 1, None),
        outcome("a", 1, 2, FailureMode.NEARLY_RIGHT),
        outcome("b", 0, 7, FailureMode.NEARLY_RIGHT),
        outcome("c", 0, None, FailureMode.EMPTY),
        outcome("d", 0, None, None, TRUTH_UNKNOWN),
        TestOutcome("e", 0, 0, None, (), "does not fit"),
    ]
    summary = summarise(key([]), outcomes, 12.5)
    assert summary.passes == {1: Score(0.5, 4), 2: Score(1.0, 4), 5: Score(1.0, 4), 10: Score(2.0, 4)}
    assert summary.failure_modes == {"nearly right": 2, "empty": 1}
    assert summary.seconds == 12.5
