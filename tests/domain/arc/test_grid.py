"""Grids as digits, and what a task shows of itself."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from backend.domain.arc.grid import Grid
from backend.domain.arc.task import Pair, Task, TestPair, choose_canvas
from tests.support.records.arc import grids, real_tasks


@given(grids())
def test_a_grid_survives_digits_and_lists(grid: Grid) -> None:
    assert Grid.from_digits(grid.digits) == grid
    assert Grid.of(grid.as_lists()) == grid
    assert len(grid.cells) == grid.height * grid.width


def test_the_empty_grid_survives_digits() -> None:
    assert Grid.from_digits("") == Grid(())
    assert Grid(()).digits == ""
    assert Grid(()).width == 0


@given(real_tasks(), grids(), st.sampled_from([(30,), (10, 20, 30), (10, 15, 20, 25)]))
def test_the_canvas_does_not_depend_on_a_test_output(task: Task, other: Grid, sizes: tuple[int, ...]) -> None:
    changed = replace(task, tests=tuple(replace(test, output=other) for test in task.tests))
    unknown = replace(task, tests=tuple(replace(test, output=None) for test in task.tests))
    assert choose_canvas(task, sizes) == choose_canvas(changed, sizes) == choose_canvas(unknown, sizes)
    assert task.visible_grids == changed.visible_grids


def test_the_canvas_is_the_smallest_that_holds_what_is_seen() -> None:
    tall = Grid.of([[0]] * 11)
    task = Task("t", (Pair(Grid.of([[1]]), tall),), (TestPair(Grid.of([[1]])),))
    assert choose_canvas(task, (10, 15, 30)) == 15
    assert choose_canvas(task, (11,)) == 11
    assert choose_canvas(task, (5, 10)) is None
