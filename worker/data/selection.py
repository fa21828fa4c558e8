"""Which tasks of a set an evaluation asks."""

from __future__ import annotations

from collections.abc import Iterable

from backend.domain.arc.task import Task, choose_canvas
from backend.domain.experiment import EvaluationSet


def select_tasks(
    evaluated: EvaluationSet, tasks: Iterable[Task], canvas_sizes: tuple[int, ...]
) -> tuple[Task, ...]:
    """The first n tasks in id order; with `that_fit` the first n of those that a canvas holds.

    What fits is decided by what a solver may see, never by a test output.
    """
    ordered = sorted(tasks, key=lambda task: task.id)
    if evaluated.that_fit:
        ordered = [task for task in ordered if choose_canvas(task, canvas_sizes) is not None]
    return tuple(ordered[: evaluated.first_tasks])
