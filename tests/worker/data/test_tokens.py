"""Grids to tokens and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.domain.arc.grid import Grid
from backend.domain.arc.task import Task
from tests.support.records.arc import grids, real_tasks
from worker.data.tokens import crop, encode, encode_pair
from worker.kit.batch import EOS, IGNORE, PAD


def test_a_grid_lies_on_its_canvas_with_ends_below_and_beside_it() -> None:
    tokens = encode(Grid.from_digits("01/29"), 5, (1, 2)).reshape(5, 5)
    assert tokens.tolist() == [
        [0, 0, 0, 0, 0],
        [0, 0, 2, 3, 1],
        [0, 0, 4, 11, 1],
        [0, 0, 1, 1, 0],
        [0, 0, 0, 0, 0],
    ]


def test_ends_that_would_lie_off_the_canvas_are_left_out() -> None:
    assert encode(Grid.from_digits("00/00"), 2).tolist() == [2, 2, 2, 2]
    assert encode(Grid.from_digits("0"), 2, (1, 1)).tolist() == [0, 0, 0, 2]
    assert encode(Grid.from_digits("00"), 2).tolist() == [2, 2, 1, 1]
    assert encode(Grid.from_digits("0/0"), 2).tolist() == [2, 1, 2, 1]


@given(grids(), st.integers(0, 5))
def test_a_grid_in_the_corner_is_read_back(grid: Grid, margin: int) -> None:
    side = min(30, max(grid.height, grid.width) + margin)
    assert crop(encode(grid, side), side) == grid


@given(real_tasks("arc-agi-2/evaluation"))
def test_every_grid_of_a_real_task_is_read_back(task: Task) -> None:
    for grid in task.visible_grids:
        assert crop(encode(grid, 30), 30) == grid


@given(grids(20), st.integers(0, 10), st.integers(0, 10))
def test_a_grid_anywhere_keeps_its_cells_and_counts_its_ends(grid: Grid, top: int, left: int) -> None:
    tokens = encode(grid, 30, (top, left)).reshape(30, 30)
    bottom, right = top + grid.height, left + grid.width
    assert (tokens[top:bottom, left:right] - 2).tolist() == grid.as_lists()
    ends = (grid.width if bottom < 30 else 0) + (grid.height if right < 30 else 0)
    assert np.count_nonzero(tokens == EOS) == ends
    assert np.count_nonzero(tokens == PAD) == 900 - ends - grid.height * grid.width


@given(grids(20), grids(20), st.integers(0, 10), st.integers(0, 10))
def test_labels_are_the_output_at_the_offset_of_the_input_with_pad_ignored(
    one: Grid, other: Grid, top: int, left: int
) -> None:
    inputs, labels = encode_pair(one, other, 30, (top, left))
    assert (inputs.dtype, labels.dtype) == (np.uint8, np.int8)
    assert inputs.tolist() == encode(one, 30, (top, left)).tolist()
    output = encode(other, 30, (top, left))
    assert np.array_equal(labels == IGNORE, output == PAD)
    assert np.array_equal(labels[output != PAD], output[output != PAD])


@given(grids(10))
def test_an_unknown_output_labels_nothing(grid: Grid) -> None:
    inputs, labels = encode_pair(grid, None, 10)
    assert (labels == IGNORE).all()
    assert np.array_equal(inputs, encode(grid, 10))


def test_a_grid_off_the_canvas_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"\(1, 3\) does not fit at \(0, 8\) on a canvas of 10 x 10"):
        encode(Grid.from_digits("000"), 10, (0, 8))


@pytest.mark.parametrize(
    ("canvas", "expected"),
    [
        ([[0, 2], [2, 2]], ""),  # nothing at the corner
        ([[2, 1], [2, 2]], "0/0"),
        ([[2, 2], [1, 2]], "00"),
        ([[2, 2], [2, 1]], "00"),  # one row of two, one column of two: the first found
        ([[2, 2, 2], [2, 2, 1], [2, 1, 1]], "00/00"),
        ([[3, 4, 5], [6, 0, 0], [7, 0, 0]], "123"),
        ([[3, 12], [4, 5]], "1/2"),  # no such token
    ],
)
def test_the_largest_rectangle_of_colours_is_cropped(canvas: list[list[int]], expected: str) -> None:
    assert crop(np.array(canvas).ravel(), len(canvas)).digits == expected


@given(st.integers(1, 8).flatmap(lambda n: st.lists(st.integers(0, 11), min_size=n * n, max_size=n * n)))
def test_no_rectangle_of_colours_is_larger_than_the_cropped_one(tokens: list[int]) -> None:
    side = int(len(tokens) ** 0.5)
    canvas = np.array(tokens).reshape(side, side)
    found = crop(canvas.ravel(), side)
    largest = max(
        (
            rows * columns
            for rows in range(1, side + 1)
            for columns in range(1, side + 1)
            if (canvas[:rows, :columns] >= 2).all()
        ),
        default=0,
    )
    assert len(found.cells) == largest
    assert (canvas[: found.height, : found.width] - 2).tolist() == found.as_lists()
