"""The way from one task's context to another's: what a test input of the first is answered with on it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from backend.domain.arc.failure_modes import cell_accuracy
from backend.domain.arc.grid import Grid
from backend.domain.arc.task import Task
from backend.domain.experiment import ExperimentConfig
from backend.kit.problems import invalid, unknown
from worker.data.puzzles import PuzzleTable
from worker.data.sets import TaskSource
from worker.data.tokens import crop
from worker.evaluation.decoding import between
from worker.evaluation.views import Question, batch_of, questions_by_canvas, views_of
from worker.kit.device import Device
from worker.models.reasoner import Reasoner

_WRONG = "There is nothing to decode between."


@dataclass(frozen=True)
class Point:
    """An answer on the way."""

    share: float  # of the way, 0 to 1
    grid: Grid
    cell_accuracy: float | None  # None where the truth is not known
    halting_probability: float


def interpolated(
    reasoner: Reasoner,
    config: ExperimentConfig,
    puzzles: PuzzleTable,
    device: Device,
    first: Task,
    second: Task,
    test_index: int,
    points: int,
) -> list[Point]:
    """The answers to a test input of `first` under `points` contexts, from its own to that of `second`.

    Both tasks are seen unaugmented, on one canvas. InvalidInput where there is no such test input, or no
    canvas of the config holds both.
    """
    if test_index >= len(first.tests):
        raise invalid(_WRONG, "test", f"is {test_index + 1}; task {first.id} has {len(first.tests)}.")
    visible = max(first.visible_side, second.visible_side)
    side = next((size for size in config.data.canvas_sizes if visible <= size), None)
    if side is None:
        largest = config.data.canvas_sizes[-1]
        raise invalid(
            _WRONG, "second", f"needs a canvas of {visible} with the first; the largest has {largest}."
        )
    questions = [_question(task, config, first, test_index) for task in (first, second)]
    views = [views_of(question, 1, config.seed, puzzles)[0] for question in questions]
    shares = [number / (points - 1) for number in range(points)]
    act_steps = config.evaluation.act_steps or config.model.act.max_steps
    shown = between(reasoner, batch_of(views, side), shares, act_steps, device)
    truth = first.tests[test_index].output
    found = []
    for row, share in enumerate(shares):
        grid = crop(shown.tokens[row], *shown.tokens[row].shape)
        right = None if truth is None else cell_accuracy(grid, truth)
        found.append(Point(share, grid, right, shown.halting_probabilities[row]))
    return found


def task_named(source: TaskSource, field: str, name: str) -> Task:
    """The task of `SET/TASK`; NotFound suggests the nearest ids, InvalidInput for a name of another form."""
    set_name, _, task_id = name.rpartition("/")
    if not set_name:
        hint = "Write for example arc-agi-1/training/007bbfb7."
        raise invalid(_WRONG, field, f"{name!r} is not a set and a task.", hint)
    tasks = {task.id: task for task in source.tasks(set_name)}
    if task_id not in tasks:
        raise unknown("task", task_id, tasks, "The page /tasks lists them.")
    return tasks[task_id]


def _question(task: Task, config: ExperimentConfig, asked: Task, test_index: int) -> Question:
    """The demonstrations of a task, with a test input of the one that is asked."""
    shown = next(each for of_side in questions_by_canvas([task], config).values() for each in of_side)
    return Question(replace(task, tests=asked.tests), test_index, shown.demonstrations)
