"""Evaluations on the canvas that a task needs, square or trimmed to its grids."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from backend.domain.arc.files import read_built_in
from backend.domain.arc.grid import Grid
from backend.domain.arc.task import Pair, Task, TestPair
from backend.domain.experiment import (
    DataConfig,
    GradientSearch,
)
from tests.support.records.arc import real_tasks
from tests.support.solvers import (
    SMALL,
    answering,
    by_name,
    config,
    copies,
    key,
    run,
    votes,
)
from worker.data.puzzles import PuzzleTable
from worker.evaluation.evaluator import summarise
from worker.evaluation.plan import Plan
from worker.kit.batch import Region
from worker.models.build import build_reasoner


@pytest.mark.parametrize("margin", [0, 1])
def test_a_trimmed_canvas_changes_nothing_for_a_solver_that_copies(margin: int) -> None:
    trimmed, square = copies(), copies()
    outcomes = sorted(run(trimmed, SMALL[:20], config(trim=margin), views=40), key=by_name)
    assert votes(outcomes) == votes(sorted(run(square, SMALL[:20], views=40), key=by_name))
    cells = [sum(batch.inputs.numel() for batch in solver.batches) for solver in (trimmed, square)]
    assert cells[0] < 0.9 * cells[1]


def test_a_trimmed_canvas_keeps_the_places_of_its_cells() -> None:
    """Trimmed to its whole self, a canvas gives the same numbers, bit for bit."""
    large = [task for task in read_built_in("arc-agi-1/evaluation") if task.visible_extent == (10, 10)][:2]
    settings = config(trim=0)
    plans = [Plan(large, each, 8, PuzzleTable()) for each in (settings, config())]
    solver = build_reasoner(settings, 1).eval()
    batches = [plan.batch(0).batch() for plan in plans]
    with torch.inference_mode():
        trimmed, square = (solver.run(batch, 2) for batch in batches)
    assert batches[0].region == Region(10, 10, 10)
    assert torch.equal(trimmed.logits, square.logits)


def test_a_search_works_on_trimmed_canvases() -> None:
    settings = config(trim=0, search=GradientSearch(steps=3), batch_size=3)
    outcomes = run(build_reasoner(settings, 1), SMALL[:3], settings, views=5)
    for outcome in outcomes:
        assert outcome.trace
        assert outcome.trace.search
        losses = [point.loss for point in outcome.trace.search.points]
        assert min(losses) < losses[0]


def test_a_truth_that_a_trimmed_canvas_cannot_hold_is_said() -> None:
    wide = Grid.from_digits("123/456")
    task = Task("wide", (Pair(wide, wide),), (TestPair(wide, Grid.from_digits("12/34/56")),))
    (outcome,) = run(copies(), [task], config(trim=0))
    assert outcome.note == "the truth is 3 x 2, the task's canvas 2 x 3"
    (outcome,) = run(copies(), [task], config(trim=1))
    assert outcome.note == ""


@given(real_tasks("arc-agi-1/evaluation"), st.integers(0, 2))
def test_a_region_holds_every_visible_grid(task: Task, margin: int) -> None:
    settings = config(trim=margin, batch_size=64).model_copy(update={"data": DataConfig(canvas_sizes=(30,))})
    plan = Plan([task], settings, 16, PuzzleTable())
    for number in range(plan.batches):
        planned, batch = plan.batch(number), plan.batch(number).batch()
        assert planned.region
        for demos in (batch.demo_inputs, batch.demo_outputs):
            coloured = (demos > 1).sum(-1)
            assert torch.equal((planned.region.cut(demos) > 1).sum(-1), coloured)
        asked = [len(view.question.test.input.cells) for view in planned.views]
        assert (batch.inputs > 1).sum(-1).tolist() == asked


def test_a_task_that_fits_no_canvas_counts_as_failed() -> None:
    large = next(task for task in read_built_in("arc-agi-1/evaluation") if task.visible_side == 30)
    outcomes = run(copies(), [large, SMALL[0]])
    failed = [outcome for outcome in outcomes if outcome.task_id == large.id]
    assert len(failed) == len(large.tests)
    assert failed[0].note == "does not fit: needs a canvas of 30, the largest has 10"
    assert failed[0].candidates == ()
    assert summarise(key([large, SMALL[0]]), outcomes, 1.0).passes[1].n == 2


def test_a_truth_larger_than_the_canvas_is_noted() -> None:
    (outcome,) = run(copies(), [answering(SMALL[1], Grid.of([[1] * 17]))])
    assert outcome.note == "the truth needs a canvas of 17, the task's has 10"
    assert outcome.candidates


def test_tasks_are_evaluated_on_their_own_canvas() -> None:
    settings = config().model_copy(update={"data": DataConfig(canvas_sizes=(10, 20, 30))})
    tasks = read_built_in("arc-agi-1/evaluation")[:12]
    solver = copies()
    outcomes = run(solver, tasks, settings, views=2)
    assert len(outcomes) == sum(len(task.tests) for task in tasks)
    assert {batch.inputs.shape[1] for batch in solver.batches} == {100, 400, 900}
    found = {(each.task_id, each.test_index): each.candidates[0].grid for each in outcomes}
    expected = {(task.id, index): test.input for task in tasks for index, test in enumerate(task.tests)}
    assert found == expected
