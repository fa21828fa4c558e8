"""The way from one task's context to another's: what a test input of the first is answered with on it."""

from __future__ import annotations

from dataclasses import replace

from backend.domain.arc.failure_modes import cell_accuracy
from backend.domain.arc.task import Task
from backend.domain.experiment import ExperimentConfig
from backend.domain.way import REFUSED, Way, WayPoint, canvas_of_both, set_and_task
from backend.kit.problems import invalid, unknown
from worker.data.puzzles import PuzzleTable
from worker.data.sets import TaskSource
from worker.data.tokens import crop
from worker.evaluation.decoding import between
from worker.evaluation.views import Question, batch_of, questions_by_canvas, views_of
from worker.kit.device import Device
from worker.models.reasoner import Reasoner


def interpolated(
    reasoner: Reasoner,
    config: ExperimentConfig,
    puzzles: PuzzleTable,
    device: Device,
    first: Task,
    second: Task,
    test_index: int,
    points: int,
) -> Way:
    """The answers to a test input of `first` under `points` contexts, from its own to that of `second`.

    Both tasks are seen unaugmented, on one canvas. InvalidInput where there is no such test input, no canvas
    of the config holds both, or TRM has no embedding of one of them.
    """
    side = canvas_of_both(first, second, test_index, config.data.canvas_sizes)
    for field, task in (("first", first), ("second", second)):
        if puzzles.lacks(task.id):
            message = f"is {task.id}, which has no context: TRM has embeddings of its training tasks alone."
            raise invalid(REFUSED, field, message, "Choose a task that the checkpoint was trained on.")
    questions = [_question(task, config, first, test_index) for task in (first, second)]
    views = [views_of(question, 1, config.seed, puzzles)[0] for question in questions]
    shares = [number / (points - 1) for number in range(points)]
    act_steps = config.evaluation.act_steps or config.model.act.max_steps
    shown = between(reasoner, batch_of(views, side), shares, act_steps, device)
    test = first.tests[test_index]
    found = []
    for row, share in enumerate(shares):
        grid = crop(shown.tokens[row], *shown.tokens[row].shape)
        right = None if test.output is None else cell_accuracy(grid, test.output)
        found.append(WayPoint(share, grid, right, shown.halting_probabilities[row]))
    return Way(test.input, test.output, tuple(found))


def task_named(source: TaskSource, field: str, name: str) -> Task:
    """The task of `SET/TASK`; NotFound suggests the nearest ids, InvalidInput for a name of another form."""
    set_name, task_id = set_and_task(field, name)
    tasks = {task.id: task for task in source.tasks(set_name)}
    if task_id not in tasks:
        raise unknown("task", task_id, tasks, "The page /tasks lists them.")
    return tasks[task_id]


def _question(task: Task, config: ExperimentConfig, asked: Task, test_index: int) -> Question:
    """The demonstrations of a task, with a test input of the one that is asked."""
    shown = next(each for of_side in questions_by_canvas([task], config).values() for each in of_side)
    return Question(replace(task, tests=asked.tests), test_index, shown.demonstrations)
