"""Interventions on what a model is shown: the same views, with other contexts or demonstrations."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from backend.domain.arc.task import Pair, Task
from backend.domain.experiment import DataConfig, TrmModel
from backend.domain.interventions import OF_CONTEXT, OF_DEMONSTRATIONS, Intervention
from tests.support.solvers import SMALL, Stop, config, key
from worker.data.puzzles import UNKNOWN_ROW, PuzzleTable
from worker.evaluation.contexts import Replacing
from worker.evaluation.evaluator import evaluate
from worker.evaluation.plan import Plan
from worker.evaluation.showing import showings
from worker.models.build import build_reasoner
from worker.models.reasoner import Encoded

TASKS = SMALL[:4]
VIEWS = 4
SIZES = (10, 20, 30)


def shown(
    intervention: Intervention, most: int = 10, tasks: tuple[Task, ...] = TASKS
) -> list[tuple[Pair, ...]]:
    return [showing.demonstrations for showing in showings(tasks, SIZES, most, 0, intervention)]


def test_demonstrations_are_dropped_duplicated_and_swapped() -> None:
    given = [task.demonstrations for task in TASKS]
    assert shown(Intervention.NONE) == given
    assert shown(Intervention.DROPPED) == [demonstrations[:-1] for demonstrations in given]
    assert shown(Intervention.DUPLICATED) == [
        (*demonstrations, demonstrations[0]) for demonstrations in given
    ]
    assert shown(Intervention.REORDERED) == [(each[-1], *each[1:-1], each[0]) for each in given]
    full = [each[:2] for each in given]
    assert shown(Intervention.DUPLICATED, most=2) == [(each[0], each[0]) for each in full]


def test_an_only_demonstration_stays() -> None:
    lonely = tuple(replace(task, demonstrations=task.demonstrations[:1]) for task in TASKS)
    for kind in (Intervention.DROPPED, Intervention.REORDERED):
        assert shown(kind, tasks=lonely) == [task.demonstrations for task in lonely]


def test_recoloured_demonstrations_keep_their_shapes_and_no_colour() -> None:
    for task, pairs in zip(TASKS, shown(Intervention.RECOLOURED), strict=True):
        for before, after in zip(task.demonstrations, pairs, strict=True):
            images = dict(zip(before.input.cells, after.input.cells, strict=True))
            assert all((colour == image) == (colour == 0) for colour, image in images.items())
            assert [images[cell] for cell in before.input.cells] == list(after.input.cells)
    assert shown(Intervention.RECOLOURED) == shown(Intervention.RECOLOURED)


def test_a_swapped_context_is_that_of_the_next_task_that_fits() -> None:
    found = showings(TASKS, SIZES, 10, 0, Intervention.SWAPPED)
    assert [each.other.id for each in found if each.other] == [TASKS[at].id for at in (1, 2, 3, 0)]
    assert [each.demonstrations for each in found] == [TASKS[at].demonstrations for at in (1, 2, 3, 0)]
    assert {each.side for each in found} == {10}
    (alone,) = showings(TASKS[:1], SIZES, 10, 0, Intervention.SWAPPED)
    assert alone.other is None


def planned(intervention: Intervention, puzzles: PuzzleTable) -> list[tuple[str, int, int]]:
    """(task, view, row of the puzzle table) of every view of a TRM's evaluation."""
    settings = config().model_copy(update={"model": TrmModel(), "data": DataConfig(canvas_sizes=(10,))})
    plan = Plan(TASKS, settings, VIEWS, puzzles, intervention)
    views = [view for number in range(plan.batches) for view in plan.batch(number).views]
    return [(view.question.task.id, view.views[0].number, view.puzzle_row) for view in views]


def test_puzzle_ids_are_blank_random_or_those_of_another_task() -> None:
    puzzles = PuzzleTable([task.id for task in TASKS], augmentations=VIEWS - 1)
    own = planned(Intervention.NONE, puzzles)
    assert all(row == puzzles.row(task, number) for task, number, row in own)
    blank, drawn, swapped = (planned(kind, puzzles) for kind in OF_CONTEXT)
    for changed in (blank, drawn, swapped):
        assert [each[:2] for each in changed] == [each[:2] for each in own]  # the same views are asked
    assert {row for *_, row in blank} == {UNKNOWN_ROW}
    assert all(
        0 < row < puzzles.rows and row != right for (*_, row), (*_, right) in zip(drawn, own, strict=True)
    )
    following = {task.id: TASKS[(at + 1) % len(TASKS)].id for at, task in enumerate(TASKS)}
    assert all(row == puzzles.row(following[task], number) for task, number, row in swapped)


def test_the_only_puzzle_of_a_table_has_no_other() -> None:
    puzzles = PuzzleTable([TASKS[0].id])
    rows = [row for task, _, row in planned(Intervention.RANDOM, puzzles) if task == TASKS[0].id]
    assert set(rows) == {UNKNOWN_ROW}


def test_contexts_are_replaced_by_zeros_or_by_noise_as_large() -> None:
    context = torch.randn(3, 2, 8) * torch.tensor([1.0, 10.0, 0.1]).view(3, 1, 1)
    course = (Encoded(None, context, (), {}, torch.ones(3), None),)  # type: ignore[arg-type]
    (blank,) = Replacing().replaced(course)
    assert not blank.context.any()
    (noise,) = Replacing([1, 2, 3]).replaced(course)
    sizes = [each.context.square().mean((1, 2)).sqrt() for each in (noise, course[0])]
    assert torch.allclose(*sizes, rtol=1.0)  # of 16 numbers each
    (alone,) = Replacing([2]).replaced((course[0]._replace(context=context[1:2]),))
    assert torch.equal(alone.context[0], noise.context[1])  # whoever its neighbours are


@pytest.mark.parametrize("kind", [*OF_CONTEXT, *OF_DEMONSTRATIONS])
def test_an_encoder_answers_otherwise_and_the_same_twice(kind: Intervention) -> None:
    settings = config()
    torch.manual_seed(0)
    reasoner = build_reasoner(settings, 1)
    with torch.no_grad():  # an untrained model leans on nothing
        reasoner.token_head.weight.normal_()
    asked = key(TASKS, VIEWS)

    def answers(intervention: Intervention) -> list[object]:
        changed = replace(asked, intervention=intervention.value)
        return list(evaluate(reasoner, settings, changed, TASKS, PuzzleTable(), Stop()))

    assert answers(kind) == answers(kind)
    if kind != Intervention.REORDERED:  # an encoder may well not heed the order
        assert answers(kind) != answers(Intervention.NONE)
