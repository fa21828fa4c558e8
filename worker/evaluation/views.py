"""The augmented views of test inputs, and batches of them. Nothing here reads a test output."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from backend.domain.arc.task import Pair, Task, TestPair, choose_canvas
from backend.domain.experiment import ExperimentConfig, NoSearch
from worker.data.augment import ON_ITS_SIDE, Augmentation, augmentation
from worker.data.batches import Canvases, View, most_demonstrations
from worker.data.forms import TRIES, distinct
from worker.data.puzzles import UNKNOWN_ROW, PuzzleTable
from worker.data.tokens import as_cells
from worker.kit.batch import Batch, Region


@dataclass(frozen=True, eq=False)  # one object per test input: its grids need no comparing
class Question:
    """One test input with what a solver may see beside it."""

    task: Task
    test_index: int
    demonstrations: tuple[Pair, ...]

    @property
    def name(self) -> tuple[str, int]:
        """(task id, test index)."""
        return self.task.id, self.test_index

    @property
    def test(self) -> TestPair:
        return self.task.tests[self.test_index]


class IndexedView(NamedTuple):
    """An augmentation with its number; 0 is the identity."""

    number: int
    augmentation: Augmentation


@dataclass(frozen=True)
class QuestionView:
    """One distinct view of a question. Several augmentations may look alike: each casts its own vote."""

    question: Question
    views: tuple[IndexedView, ...]
    puzzle_row: int


def questions_by_canvas(tasks: Iterable[Task], config: ExperimentConfig) -> dict[int | None, list[Question]]:
    """All test inputs by the side of their canvas, ascending; under None those that fit no canvas."""
    found: dict[int | None, list[Question]] = {side: [] for side in (None, *config.data.canvas_sizes)}
    for task in tasks:
        shown = task.demonstrations[: _most_shown(config)]
        side = choose_canvas(task, config.data.canvas_sizes)
        found[side] += [Question(task, index, shown) for index in range(len(task.tests))]
    return found


def distinct_views_of(
    question: Question, views: int, seed: int, puzzles: PuzzleTable
) -> tuple[QuestionView, ...]:
    """The first `views` augmentations of a question's task that all look different, fewer where it has fewer.

    Each is a view of its own and casts one vote. Where the puzzle table knows the task, the forms of it that
    were trained on are chosen among.
    """
    task = question.task
    numbers = puzzles.forms(task.id) or range(TRIES * views)
    found = islice(distinct(task, seed, numbers), views)
    return tuple(
        QuestionView(question, (IndexedView(number, view),), puzzles.row(task.id, number))
        for number, view in found
    )


def views_of(question: Question, views: int, seed: int, puzzles: PuzzleTable) -> tuple[QuestionView, ...]:
    """The distinct views among the augmentations 0 to `views` - 1 of a question's task, by first index.

    Where the puzzle table knows the task, forms of it that were never trained on are left out.
    """
    task_id = question.task.id
    known = puzzles.row(task_id, 0) != UNKNOWN_ROW
    colours = _colours(question)
    alike: dict[tuple[int, ...], list[IndexedView]] = {}
    for index in range(views):
        row = puzzles.row(task_id, index)
        if known and row == UNKNOWN_ROW:
            break
        view = augmentation(seed, task_id, index)
        looks = (row, view.dihedral, *(view.colours[colour] for colour in colours))
        alike.setdefault(looks, []).append(IndexedView(index, view))
    return tuple(QuestionView(question, tuple(group), looks[0]) for looks, group in alike.items())


def region_of(task: Task, side: int, margin: int, dihedral: int = 0) -> Region:
    """What is left of a canvas trimmed to the task's visible grids and `margin` cells around, in a view."""
    height, width = (min(length + margin, side) for length in task.visible_extent)
    return Region(width, height, side) if dihedral in ON_ITS_SIDE else Region(height, width, side)


def batch_of(group: Sequence[QuestionView], side: int, region: Region | None = None) -> Batch:
    """Every grid in the corner of its canvas, where `crop` reads the answer."""
    room = max(len(each.question.demonstrations) for each in group)
    canvases = Canvases.empty(len(group), room, side, region)
    for row, each in enumerate(group):
        view = View(each.views[0].augmentation)
        view.draw(canvases.inputs[row], as_cells(each.question.test.input))
        for place, pair in enumerate(each.question.demonstrations):
            view.draw(canvases.demo_inputs[row, place], as_cells(pair.input))
            view.draw(canvases.demo_outputs[row, place], as_cells(pair.output))
            canvases.demo_mask[row, place] = True
        canvases.puzzle[row] = each.puzzle_row
    return canvases.batch()


def _most_shown(config: ExperimentConfig) -> int:
    """Demonstrations of a question, at most. A search asks them even where the model reads none."""
    searches = not isinstance(config.evaluation.search, NoSearch)
    return config.data.max_demonstrations if searches else most_demonstrations(config)


def _colours(question: Question) -> tuple[int, ...]:
    """The colours a solver sees in a question."""
    grids = [question.test.input]
    grids += [grid for pair in question.demonstrations for grid in (pair.input, pair.output)]
    return tuple(sorted({colour for grid in grids for colour in grid.cells}))
