"""Views drawn, cropped, undone and counted together, against one after the other and cell by cell."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from backend.domain.arc.grid import Grid
from backend.domain.arc.task import Pair, Task, TestPair
from backend.domain.arc.votes import ViewVote
from tests.support.records.arc import augmentations as any_augmentation
from tests.support.records.arc import grids
from tests.support.solvers import config
from worker.data.augment import Augmentation, augmentation, augmentations
from worker.data.puzzles import PuzzleTable
from worker.data.tokens import crop, encode, extents
from worker.evaluation.decoding import Shown
from worker.evaluation.plan import Plan
from worker.evaluation.undoing import votes_of
from worker.evaluation.views import IndexedView, Question, QuestionView, batch_of, views_of
from worker.kit.batch import PAD, Region

SEED = 3


def tasks() -> st.SearchStrategy[Task]:
    pairs = st.lists(st.builds(Pair, grids(9), grids(9)), min_size=1, max_size=3).map(tuple)
    tests = st.lists(st.builds(TestPair, grids(9)), min_size=1, max_size=2).map(tuple)
    return st.builds(Task, st.sampled_from(("a", "another")), pairs, tests)


def largest_rectangle(canvas: NDArray[np.integer]) -> Grid:
    """The largest rectangle of colours in the corner, flattest of equals, found by trying all."""
    height, width = canvas.shape
    best: tuple[int, int, int] = (0, 0, 0)
    for rows in range(1, height + 1):
        for columns in range(1, width + 1):
            part = canvas[:rows, :columns]
            if ((part >= 2) & (part <= 11)).all() and rows * columns > best[0]:
                best = (rows * columns, rows, columns)
    _, rows, columns = best
    return Grid.of((canvas[:rows, :columns] - 2).tolist()) if rows else Grid(())


@st.composite
def canvases(draw: st.DrawFn) -> NDArray[np.uint8]:
    """A few predicted canvases of one shape: grids with errors in them, nonsense, and empty ones."""
    count, height, width = draw(st.integers(1, 4)), draw(st.integers(1, 7)), draw(st.integers(1, 7))
    tokens = st.one_of(st.integers(2, 11), st.integers(2, 11), st.integers(0, 13))
    cells = draw(st.lists(tokens, min_size=count * height * width, max_size=count * height * width))
    return np.array(cells, dtype=np.uint8).reshape(count, height, width)


@given(canvases())
def test_crops_are_the_largest_rectangles_of_colours(predicted: NDArray[np.uint8]) -> None:
    heights, widths = extents(predicted)
    for canvas, height, width in zip(predicted, heights, widths, strict=True):
        expected = largest_rectangle(canvas)
        assert (height, width) == (expected.height, expected.width)
        assert crop(canvas.ravel(), *canvas.shape) == expected


@given(st.integers(0, 2**31), st.lists(st.tuples(st.text(max_size=4), st.integers(0, 2000)), max_size=20))
def test_augmentations_drawn_together_are_those_drawn_one_by_one(
    seed: int, named: list[tuple[str, int]]
) -> None:
    drawn = augmentations(seed, named)
    found = [
        Augmentation(dihedral, tuple(colours))
        for dihedral, colours in zip(drawn.dihedrals.tolist(), drawn.colours.tolist(), strict=True)
    ]
    assert found == [augmentation(seed, *name) for name in named]


@given(tasks(), st.integers(1, 40))
def test_views_are_the_augmentations_by_their_looks(task: Task, count: int) -> None:
    question = Question(task, 0, task.demonstrations)
    colours = {cell for grid in (task.tests[0].input, *_shown(question)) for cell in grid.cells}
    alike: dict[tuple[int, ...], list[IndexedView]] = {}
    for number in range(count):
        view = augmentation(SEED, task.id, number)
        looks = (view.dihedral, *(view.colours[colour] for colour in sorted(colours)))
        alike.setdefault(looks, []).append(IndexedView(number, view))
    found = views_of(question, count, SEED, PuzzleTable())
    assert [view.views for view in found] == [tuple(together) for together in alike.values()]
    assert found.dihedrals.tolist() == [view.views[0].augmentation.dihedral for view in found]
    assert found[1:3] == tuple(list(found)[1:3])


@pytest.mark.parametrize("margin", [None, 0, 2])
@given(st.lists(tasks(), min_size=1, max_size=3))
def test_every_canvas_of_a_batch_is_that_of_its_grid_in_its_view(
    margin: int | None, some: Sequence[Task]
) -> None:
    named = [Task(f"{task.id}{number}", task.demonstrations, task.tests) for number, task in enumerate(some)]
    plan = Plan(named, config(batch_size=7, trim=margin), 12, PuzzleTable())
    for number in range(plan.batches):
        planned = plan.batch(number)
        batch = planned.batch()
        for row, view in enumerate(planned.views):
            shown, demonstrations = view.views[0].augmentation, view.question.demonstrations
            asked = encode(shown.apply(view.question.test.input), planned.side)
            assert torch.equal(batch.inputs[row], _cut(asked, planned.region))
            assert batch.demo_mask[row].sum() == len(demonstrations)
            for place, pair in enumerate(demonstrations):
                for canvas, grid in (
                    (batch.demo_inputs[row, place], pair.input),
                    (batch.demo_outputs[row, place], pair.output),
                ):
                    assert canvas.tolist() == encode(shown.apply(grid), planned.side).tolist()
            assert (batch.demo_inputs[row, len(demonstrations) :] == PAD).all()


@given(canvases(), st.lists(st.lists(any_augmentation(), min_size=1, max_size=3), min_size=4, max_size=4))
def test_votes_are_the_crops_undone_each_in_its_own_way(
    predicted: NDArray[np.uint8], views: list[list[Augmentation]]
) -> None:
    one, other = (Question(Task(name, (), (TestPair(Grid.of([[1]])),)), 0, ()) for name in ("one", "other"))
    group = [
        QuestionView((one, other)[row % 2], tuple(map(IndexedView, range(9), together)), 0)
        for row, (together, _) in enumerate(zip(views, predicted, strict=False))
    ]
    heights, widths = extents(predicted)
    surenesses = [0.25 * row for row in range(len(predicted))]
    shown = Shown(predicted, list(zip(heights.tolist(), widths.tolist(), strict=True)), surenesses)
    expected: dict[Question, list[ViewVote]] = {}
    for row, view in enumerate(group):
        for number, undoing in view.views:
            grid = undoing.undo(largest_rectangle(predicted[row]))
            colours = "".join(map(str, undoing.colours))
            vote = ViewVote(number, undoing.dihedral, colours, grid, surenesses[row])
            expected.setdefault(view.question, []).append(vote)
    assert votes_of(group, shown) == expected


def test_equal_grids_of_a_batch_are_one_object() -> None:
    grid = Grid.from_digits("12/30")
    question = Question(Task("one", (), (TestPair(grid),)), 0, ())
    group = list(views_of(question, 30, SEED, PuzzleTable()))
    batch = batch_of(group, 4)
    tokens = batch.inputs.numpy().reshape(-1, 4, 4)
    heights, widths = extents(tokens)
    shown = Shown(tokens, list(zip(heights.tolist(), widths.tolist(), strict=True)), [0.5] * len(group))
    votes = votes_of(group, shown)[question]
    assert {vote.grid for vote in votes} == {grid}
    assert len({id(vote.grid) for vote in votes}) == 1
    assert len(votes) == 30


def _shown(question: Question) -> list[Grid]:
    return [grid for pair in question.demonstrations for grid in (pair.input, pair.output)]


def _cut(canvas: NDArray[np.uint8], region: Region | None) -> torch.Tensor:
    tokens = torch.from_numpy(canvas)
    return tokens if region is None else region.cut(tokens)
