"""Which tasks an evaluation asks."""

from __future__ import annotations

from dataclasses import replace

from backend.domain.arc.files import read_built_in
from backend.domain.arc.grid import Grid
from backend.domain.experiment import EvaluationSet
from worker.data.selection import select_tasks

TASKS = read_built_in("arc-agi-1/evaluation")


def test_the_first_n_in_id_order_are_taken_whatever_their_size() -> None:
    chosen = select_tasks(EvaluationSet(first_tasks=32), reversed(TASKS), (10,))
    assert chosen == TASKS[:32]
    assert select_tasks(EvaluationSet(first_tasks=None), TASKS, (10,)) == TASKS


def test_only_those_that_fit_are_taken_when_asked_for() -> None:
    chosen = select_tasks(EvaluationSet(first_tasks=None, that_fit=True), TASKS, (5, 10))
    assert chosen == tuple(task for task in TASKS if task.visible_side <= 10)
    assert select_tasks(EvaluationSet(first_tasks=3, that_fit=True), TASKS, (5, 10)) == chosen[:3]


def test_test_outputs_do_not_decide_what_fits() -> None:
    large = Grid.of([[1] * 30] * 30)
    changed = [
        replace(task, tests=tuple(replace(test, output=large) for test in task.tests)) for task in TASKS
    ]
    part = EvaluationSet(first_tasks=16, that_fit=True)
    ids = [task.id for task in select_tasks(part, TASKS, (10,))]
    assert [task.id for task in select_tasks(part, changed, (10,))] == ids
