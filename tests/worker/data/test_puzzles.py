"""Rows of TRM's puzzle table."""

from __future__ import annotations

from worker.data.puzzles import UNKNOWN_ROW, PuzzleTable


def test_every_form_of_every_task_has_its_own_row_after_the_unknown_one() -> None:
    table = PuzzleTable(["a", "b", "c"], augmentations=4)
    rows = [table.row(task, index) for task in "abc" for index in range(5)]
    assert rows == list(range(1, 16))
    assert table.rows == 16


def test_what_was_not_trained_on_is_row_0() -> None:
    table = PuzzleTable(["a"], augmentations=4)
    assert table.row("z", 0) == 0
    assert table.row("a", 5) == 0


def test_a_table_without_tasks_is_one_row() -> None:
    assert PuzzleTable().rows == 1
    assert PuzzleTable().row("a", 0) == 0


def test_a_task_with_forms_has_a_row_for_each_of_them_alone() -> None:
    table = PuzzleTable(["a", "b", "c"], augmentations=4, forms={"b": (0, 2, 7)})
    assert [table.row("b", index) for index in range(8)] == [6, UNKNOWN_ROW, 7, *[UNKNOWN_ROW] * 4, 8]
    assert (table.row("a", 4), table.row("c", 0)) == (5, 9)
    assert table.rows == 14
    assert (tuple(table.forms("b")), tuple(table.forms("a")), tuple(table.forms("x"))) == (
        (0, 2, 7),
        (0, 1, 2, 3, 4),
        (),
    )
