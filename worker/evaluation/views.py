"""The augmented views of test inputs, and batches of them. Nothing here reads a test output."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from itertools import islice
from typing import NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from backend.domain.arc.task import Pair, Task, TestPair
from backend.domain.experiment import ExperimentConfig, NoSearch
from backend.domain.interventions import OF_CONTEXT, Intervention
from worker.data.augment import ON_ITS_SIDE, Augmentation, Drawn, augmentations
from worker.data.batches import Canvases, View, most_demonstrations
from worker.data.forms import TRIES, distinct
from worker.data.puzzles import UNKNOWN_ROW, PuzzleTable
from worker.data.tokens import Cells, Tokens, as_cells
from worker.evaluation.showing import showings
from worker.kit.batch import Batch, Region


@dataclass(frozen=True, eq=False)  # one object per test input: its grids need no comparing
class Question:
    """One test input with what a solver may see beside it."""

    task: Task
    test_index: int
    demonstrations: tuple[Pair, ...]
    other: Task | None = None  # whose context answers in place of its own, where one does

    @property
    def name(self) -> tuple[str, int]:
        """(task id, test index)."""
        return self.task.id, self.test_index

    @property
    def test(self) -> TestPair:
        return self.task.tests[self.test_index]

    @cached_property
    def cells(self) -> tuple[Cells, tuple[tuple[Cells, Cells], ...]]:
        """The test input and the demonstrations as arrays."""
        pairs = tuple((as_cells(pair.input), as_cells(pair.output)) for pair in self.demonstrations)
        return as_cells(self.test.input), pairs


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


def questions_by_canvas(
    tasks: Iterable[Task], config: ExperimentConfig, intervention: Intervention = Intervention.NONE
) -> dict[int | None, list[Question]]:
    """All test inputs by the side of their canvas, ascending; under None those that fit no canvas."""
    tasks, sizes = list(tasks), config.data.canvas_sizes
    shown = showings(tasks, sizes, _most_shown(config), config.seed, intervention)
    found: dict[int | None, list[Question]] = {side: [] for side in (None, *sizes)}
    for task, (side, demonstrations, other) in zip(tasks, shown, strict=True):
        found[side] += [Question(task, index, demonstrations, other) for index in range(len(task.tests))]
    return found


def seed_of(view: QuestionView, seed: int) -> int:
    """Of what is drawn for a view: the same whatever else is in its batch."""
    question = view.question
    name = f"{seed}/{question.task.id}/{question.test_index}/{view.views[0].number}"
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "little")


def given_row(view: QuestionView, seed: int, puzzles: PuzzleTable, intervention: Intervention) -> int:
    """The row of the puzzle table that a view is answered with, which an intervention may change.

    Random: any but its own. Swapped: the other task's, of the same augmentation where it was trained on.
    """
    if puzzles.rows <= 1 or intervention not in OF_CONTEXT:
        return view.puzzle_row
    if intervention == Intervention.BLANK:
        return UNKNOWN_ROW
    if intervention == Intervention.RANDOM:
        has_own = view.puzzle_row != UNKNOWN_ROW
        if not (others := puzzles.rows - 1 - has_own):
            return UNKNOWN_ROW
        drawn = 1 + seed_of(view, seed) % others
        return drawn + (has_own and view.puzzle_row <= drawn)
    other, number = view.question.other, view.views[0].number
    if other is None:
        return view.puzzle_row
    if (row := puzzles.row(other.id, number)) != UNKNOWN_ROW:
        return row
    forms = puzzles.forms(other.id)
    return puzzles.row(other.id, forms[number % len(forms)]) if forms else UNKNOWN_ROW


class DrawnViews(Sequence[QuestionView]):
    """The distinct views of a question as arrays; a view is put together when it is asked for."""

    def __init__(
        self, question: Question, alike: Sequence[Sequence[int]], drawn: Drawn, rows: Sequence[int]
    ) -> None:
        """`alike` are the numbers of the augmentations of each view, `drawn` these augmentations in the same
        order, `rows` the view's row of the puzzle table."""
        self.question = question
        self._alike, self._drawn, self._rows = alike, drawn, rows
        self._starts = np.cumsum([0, *map(len, alike)])  # of each view in what is drawn

    @property
    def dihedrals(self) -> NDArray[np.uint8]:
        """Of each view (n,): those that look alike have the same, or the first's counts."""
        dihedrals: NDArray[np.uint8] = self._drawn.dihedrals[self._starts[:-1]]
        return dihedrals

    def __len__(self) -> int:
        return len(self._alike)

    @overload
    def __getitem__(self, place: int) -> QuestionView: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[QuestionView, ...]: ...
    def __getitem__(self, place: int | slice) -> QuestionView | tuple[QuestionView, ...]:
        if isinstance(place, slice):
            return self.at(range(len(self))[place])
        return self.at((range(len(self))[place],))[0]

    def at(self, places: Iterable[int]) -> tuple[QuestionView, ...]:
        """The views at these places, in their order."""
        dihedrals, colours = self._drawn
        found = []
        for place in places:
            numbers = self._alike[place]
            start = self._starts[place]
            end = start + len(numbers)
            drawn = zip(numbers, dihedrals[start:end].tolist(), colours[start:end].tolist(), strict=True)
            views = tuple(
                IndexedView(number, Augmentation(dihedral, tuple(images)))
                for number, dihedral, images in drawn
            )
            found.append(QuestionView(self.question, views, self._rows[place]))
        return tuple(found)


def distinct_views_of(question: Question, views: int, seed: int, puzzles: PuzzleTable) -> DrawnViews:
    """The first `views` augmentations of a question's task that all look different, fewer where it has fewer.

    Each is a view of its own and casts one vote. Where the puzzle table knows the task, the forms of it that
    were trained on are chosen among.
    """
    task = question.task
    numbers = puzzles.forms(task.id) or range(TRIES * views)
    chosen = list(islice(distinct(task, seed, numbers), views))
    drawn = augmentations(seed, ((task.id, number) for number in chosen))
    rows = [puzzles.row(task.id, number) for number in chosen]
    return DrawnViews(question, [(number,) for number in chosen], drawn, rows)


def views_of(question: Question, views: int, seed: int, puzzles: PuzzleTable) -> DrawnViews:
    """The distinct views among the augmentations 0 to `views` - 1 of a question's task, by first index.

    Where the puzzle table knows the task, forms of it that were never trained on are left out.
    """
    task_id = question.task.id
    rows = [puzzles.row(task_id, number) for number in range(views)]
    if puzzles.row(task_id, 0) != UNKNOWN_ROW and UNKNOWN_ROW in rows:
        rows = rows[: rows.index(UNKNOWN_ROW)]
    drawn = augmentations(seed, ((task_id, number) for number in range(len(rows))))
    looks = np.column_stack((drawn.dihedrals, drawn.colours[:, _colours(question)]))
    packed, width = looks.tobytes(), looks.shape[1]
    alike: dict[tuple[int, bytes], list[int]] = {}
    for number, row in enumerate(rows):
        look = row, packed[number * width : (number + 1) * width]
        alike.setdefault(look, []).append(number)
    order = [number for together in alike.values() for number in together]
    ordered = Drawn(drawn.dihedrals[order], drawn.colours[order])
    return DrawnViews(question, list(alike.values()), ordered, [row for row, _ in alike])


def region_of(task: Task, side: int, margin: int, dihedral: int = 0) -> Region:
    """What is left of a canvas trimmed to the task's visible grids and `margin` cells around, in a view."""
    height, width = (min(length + margin, side) for length in task.visible_extent)
    return Region(width, height, side) if dihedral in ON_ITS_SIDE else Region(height, width, side)


def batch_of(group: Sequence[QuestionView], side: int, region: Region | None = None) -> Batch:
    """Every grid in the corner of its canvas, where `crop` reads the answer."""
    room = max(len(each.question.demonstrations) for each in group)
    turned: dict[tuple[Question, int], tuple[bytes, ...]] = {}
    inputs, demo_inputs, demo_outputs = [], [], []  # bytes of each view
    shown = [each.views[0].augmentation for each in group]
    for each, view, table in zip(group, shown, Drawn.of(shown).recolourings, strict=True):
        key = each.question, view.dihedral
        canvases = turned.get(key) or turned.setdefault(key, _turned(*key, side, room, region))
        inputs.append(canvases[0].translate(table))
        demo_inputs.append(canvases[1].translate(table))
        demo_outputs.append(canvases[2].translate(table))
    empty = Canvases.empty(len(group), 0, side, region)
    shape = (len(group), room, side, side)
    places = np.array([len(each.question.demonstrations) for each in group])
    return empty._replace(
        inputs=_tokens(inputs).reshape(empty.inputs.shape),
        demo_inputs=_tokens(demo_inputs).reshape(shape),
        demo_outputs=_tokens(demo_outputs).reshape(shape),
        demo_mask=np.arange(room) < places[:, None],
        puzzle=np.array([each.puzzle_row for each in group], dtype=np.int64),
    ).batch()


def _turned(
    question: Question, dihedral: int, side: int, room: int, region: Region | None
) -> tuple[bytes, bytes, bytes]:
    """The tokens of a question's canvases in one orientation, in the original colours: the input, the inputs
    and the outputs of the demonstrations, with `room` for more."""
    canvases = Canvases.empty(1, room, side, region)
    view = View.of(Augmentation(dihedral))
    asked, pairs = question.cells
    view.draw(canvases.inputs[0], asked)
    for place, (given, answer) in enumerate(pairs):
        view.draw(canvases.demo_inputs[0, place], given)
        view.draw(canvases.demo_outputs[0, place], answer)
    return canvases.inputs.tobytes(), canvases.demo_inputs.tobytes(), canvases.demo_outputs.tobytes()


def _tokens(drawn: Iterable[bytes]) -> Tokens:
    """One after the other, as an array that may be written to."""
    return np.frombuffer(bytearray().join(drawn), np.uint8)


def _most_shown(config: ExperimentConfig) -> int:
    """Demonstrations of a question, at most. A search asks them even where the model reads none."""
    searches = not isinstance(config.evaluation.search, NoSearch)
    return config.data.max_demonstrations if searches else most_demonstrations(config)


def _colours(question: Question) -> tuple[int, ...]:
    """The colours a solver sees in a question."""
    grids = [question.test.input]
    grids += [grid for pair in question.demonstrations for grid in (pair.input, pair.output)]
    return tuple(sorted({colour for grid in grids for colour in grid.cells}))
