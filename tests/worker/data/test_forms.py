"""Which augmentations of a task look alike, against drawing every one of them."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.domain.arc.files import read_built_in
from backend.domain.arc.grid import Grid
from backend.domain.arc.task import Pair, Task, TestPair
from worker.data.augment import Augmentation, Drawn, augmentation
from worker.data.forms import Looks, distinct_forms
from worker.data.tokens import as_cells

permutations = st.permutations(range(1, 10)).map(lambda colours: (0, *colours))
views = st.builds(Augmentation, st.integers(0, 7), permutations)


def grids(colours: int) -> st.SearchStrategy[Grid]:
    """Small grids of few colours: many are symmetric."""
    side = st.integers(1, 2)
    return st.tuples(side, side).flatmap(
        lambda shape: st.lists(
            st.lists(st.integers(0, colours), min_size=shape[1], max_size=shape[1]),
            min_size=shape[0],
            max_size=shape[0],
        ).map(Grid.of)
    )


small = grids(2)
tasks = st.builds(
    Task,
    st.just("task"),
    st.lists(st.builds(Pair, small, small), min_size=1, max_size=2).map(tuple),
    st.lists(st.builds(TestPair, small), min_size=1, max_size=2).map(tuple),
)


def drawn(task: Task, view: Augmentation) -> tuple[Grid, ...]:
    return tuple(view.apply(grid) for grid in task.visible_grids)


@given(tasks, st.lists(views, min_size=2, max_size=12))
def test_augmentations_have_one_key_just_where_every_grid_of_the_task_is_equal(
    task: Task, chosen: list[Augmentation]
) -> None:
    looks = Looks(map(as_cells, task.visible_grids))
    seen: dict[tuple[Grid, ...], set[int]] = defaultdict(set)
    for view, key in zip(chosen, looks.keys(Drawn.of(chosen)), strict=True):
        seen[drawn(task, view)].add(key)
    assert all(len(keys) == 1 for keys in seen.values())
    assert len({key for keys in seen.values() for key in keys}) == len(seen)


@pytest.mark.parametrize("task", read_built_in("arc-agi-1/training")[:12], ids=lambda task: task.id)
def test_the_forms_of_a_real_task_are_the_first_of_each_look(task: Task) -> None:
    met, expected = set(), []
    for number in range(5 * 60):
        shown = drawn(task, augmentation(3, task.id, number))
        if shown not in met:
            met.add(shown)
            expected.append(number)
    assert distinct_forms(task, 3, 60) == tuple(expected[:60])
    assert expected[0] == 0


def test_a_task_of_one_colour_and_full_symmetry_has_nine_forms() -> None:
    square = Grid.of([[5, 5], [5, 5]])
    task = Task("square", (Pair(square, square),), (TestPair(square),))
    assert len(distinct_forms(task, 0, 1001)) == 9
