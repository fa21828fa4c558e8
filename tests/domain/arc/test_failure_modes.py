"""Each failure mode, its border, and the order in which they apply."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.domain.arc.failure_modes import cell_accuracy, failure_mode
from backend.domain.arc.grid import Grid
from backend.domain.arc.task import Task
from backend.domain.records import FailureMode
from tests.support.records.arc import grids, real_tasks

TRUTH = Grid.from_digits("1111100000/2222200000")  # 20 cells, ten of them 0
INPUT = Grid.from_digits("120/012")


@pytest.mark.parametrize(
    ("prediction", "expected"),
    [
        (TRUTH.digits, None),
        ("", FailureMode.EMPTY),
        ("3333333333/3333333333", FailureMode.COLLAPSED),
        ("3333333333/3333333330", FailureMode.COLLAPSED),  # 19 of 20 cells: 95 %
        ("3", FailureMode.COLLAPSED),  # of the wrong size as well
        ("3333333333/3333333310", FailureMode.STRUCTURED_BUT_WRONG),  # 18 of 20 cells
        ("120/012", FailureMode.COPIED_INPUT),
        ("12/12", FailureMode.WRONG_SIZE),
        ("1111122222/0000000000", FailureMode.WRONG_ARRANGEMENT),
        ("1111100000/2222000002", FailureMode.WRONG_ARRANGEMENT),  # nearly right too, but this is first
        ("1111100000/2222200003", FailureMode.NEARLY_RIGHT),
        ("1111100003/2222200003", FailureMode.NEARLY_RIGHT),  # 2 of 20 wrong: 10 %
        ("1111100033/2222200003", FailureMode.PARTLY_RIGHT),
        ("1111300000/3333333333", FailureMode.STRUCTURED_BUT_WRONG),  # 9 right
        ("1111100000/3333333333", FailureMode.STRUCTURED_BUT_WRONG),  # 10 right: no more than all 0
        ("1111100000/2333333333", FailureMode.PARTLY_RIGHT),  # 11 right
    ],
)
def test_the_first_mode_that_applies_is_given(prediction: str, expected: FailureMode | None) -> None:
    assert failure_mode(Grid.from_digits(prediction), TRUTH, INPUT) == expected


def test_one_colour_is_no_collapse_where_the_truth_has_one() -> None:
    truth = Grid.from_digits("11/11")
    assert failure_mode(Grid.from_digits("22/22"), truth, INPUT) == FailureMode.STRUCTURED_BUT_WRONG
    assert failure_mode(Grid.from_digits("111/111"), truth, INPUT) == FailureMode.WRONG_SIZE


def test_a_copied_input_that_is_right_is_right() -> None:
    assert failure_mode(INPUT, INPUT, INPUT) is None


@given(grids(12), grids(12), grids(12))
def test_every_wrong_prediction_has_a_mode_and_no_right_one(one: Grid, truth: Grid, shown: Grid) -> None:
    assert (failure_mode(one, truth, shown) is None) == (one == truth)


@given(real_tasks(), st.data())
def test_one_wrong_cell_in_a_real_truth_is_never_structured_but_wrong(
    task: Task, data: st.DataObject
) -> None:
    test = data.draw(st.sampled_from(task.tests))
    assert test.output is not None
    row = data.draw(st.integers(0, test.output.height - 1))
    column = data.draw(st.integers(0, test.output.width - 1))
    cells = test.output.as_lists()
    cells[row][column] = (cells[row][column] + 1) % 10
    count = len(test.output.cells)
    assert cell_accuracy(Grid.of(cells), test.output) == pytest.approx((count - 1) / count)
    mode = failure_mode(Grid.of(cells), test.output, test.input)
    assert mode is not None
    if count > 20:
        assert mode in (FailureMode.NEARLY_RIGHT, FailureMode.COLLAPSED, FailureMode.COPIED_INPUT)


def test_cell_accuracy_of_another_size_is_zero() -> None:
    assert cell_accuracy(Grid.from_digits("11"), Grid.from_digits("11/11")) == 0
    assert cell_accuracy(Grid(()), TRUTH) == 0
    assert cell_accuracy(TRUTH, TRUTH) == 1
