"""Every augmentation and its way back."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.domain.arc.grid import Grid
from backend.domain.arc.task import Task
from tests.support.records.arc import augmentations, grids, real_tasks
from worker.data.augment import IDENTITY, Augmentation, augmentation, parse_identifier


@given(grids(), augmentations())
def test_undoing_an_augmentation_gives_the_grid_back(grid: Grid, view: Augmentation) -> None:
    assert view.undo(view.apply(grid)) == grid
    assert view.apply(view.undo(grid)) == grid


@given(real_tasks(), augmentations())
def test_every_grid_of_a_real_task_comes_back(task: Task, view: Augmentation) -> None:
    for grid in task.visible_grids:
        assert view.undo(view.apply(grid)) == grid


@given(augmentations())
def test_the_empty_grid_stays_empty(view: Augmentation) -> None:
    assert view.apply(Grid(())) == view.undo(Grid(())) == Grid(())


@pytest.mark.parametrize(
    ("dihedral", "expected"),
    [
        (0, "123/456"),
        (1, "36/25/14"),
        (2, "654/321"),
        (3, "41/52/63"),
        (4, "321/654"),
        (5, "456/123"),
        (6, "14/25/36"),
        (7, "63/52/41"),
    ],
)
def test_each_symmetry_has_its_published_number(dihedral: int, expected: str) -> None:
    assert Augmentation(dihedral).apply(Grid.from_digits("123/456")).digits == expected


@given(grids(12))
def test_symmetries_agree_with_numpy(grid: Grid) -> None:
    cells = np.array(grid.rows)
    ours = [Augmentation(number).apply(grid) for number in range(8)]
    turns = [np.rot90(cells, quarter) for quarter in range(4)]
    theirs = [*turns, np.fliplr(cells), np.flipud(cells), cells.T, np.fliplr(turns[1])]
    assert ours == [Grid.of(each.tolist()) for each in theirs]


@given(augmentations(), st.text("abcdef0123456789|", min_size=1))
def test_an_identifier_names_its_augmentation(view: Augmentation, task_id: str) -> None:
    if view == IDENTITY and "|||" in task_id:
        return  # a bare id is read as one only without the separator
    assert parse_identifier(view.identifier(task_id)) == (task_id, view)


def test_identifiers_have_the_published_form() -> None:
    view = Augmentation(3, (0, 7, 5, 1, 9, 4, 2, 3, 6, 8))
    assert view.identifier("1190e5a7") == "1190e5a7|||t3|||0751942368"
    assert parse_identifier("1190e5a7|||t3|||0751942368") == ("1190e5a7", view)
    assert parse_identifier("1190e5a7") == ("1190e5a7", IDENTITY)


@pytest.mark.parametrize(
    "identifier",
    ["a|||t8|||0123456789", "a|||t0|||1023456789", "a|||t0|||0123456788", "a|||0|||0123456789", "a|||t0"],
)
def test_what_is_no_identifier_is_refused(identifier: str) -> None:
    with pytest.raises(ValueError, match="does not have the form"):
        parse_identifier(identifier)


def test_index_0_is_the_original() -> None:
    assert augmentation(5, "007bbfb7", 0) == IDENTITY


def test_augmentations_are_the_same_in_every_process() -> None:
    assert augmentation(0, "007bbfb7", 1).identifier("") == "|||t1|||0671358294"
    assert augmentation(7, "00576224", 999).identifier("") == "|||t0|||0392761584"


def test_seed_task_and_index_each_change_the_augmentation() -> None:
    here = augmentation(0, "007bbfb7", 1)
    assert here != augmentation(1, "007bbfb7", 1)
    assert here != augmentation(0, "007bbfb8", 1)
    assert here != augmentation(0, "007bbfb7", 2)


def test_symmetries_and_colours_are_drawn_evenly() -> None:
    drawn = [augmentation(0, "007bbfb7", index) for index in range(1, 8001)]
    turns = Counter(view.dihedral for view in drawn)
    assert len(turns) == 8
    assert all(850 < count < 1150 for count in turns.values())  # 1,000 expected, deviation 30
    for colour in range(1, 10):
        images = Counter(view.colours[colour] for view in drawn)
        assert len(images) == 9
        assert all(750 < count < 1030 for count in images.values())  # 889 expected, deviation 28
