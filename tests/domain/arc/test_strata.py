"""Strata of real tasks: every dimension holds every task once, and no test output decides."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given

from backend.domain.arc.grid import Grid
from backend.domain.arc.strata import GONE, MEANINGS, STRATA, strata_of
from backend.domain.arc.task import Pair, Task, TestPair
from tests.support.records.arc import real_tasks


@given(real_tasks())
def test_every_task_is_in_one_stratum_of_each_dimension(task: Task) -> None:
    found = strata_of(task)
    assert found.keys() == STRATA.keys() == MEANINGS.keys()
    assert all(found[dimension] in STRATA[dimension] for dimension in STRATA)


@given(real_tasks())
def test_a_stratum_says_what_is_counted_in_the_grids(task: Task) -> None:
    """The ranges read as numbers, against the grids as nested lists."""
    seen = [grid.as_lists() for pair in task.demonstrations for grid in (pair.input, pair.output)]
    seen += [test.input.as_lists() for test in task.tests]
    counted = {
        "longest side": max(max(len(rows), len(rows[0])) for rows in seen),
        "colours": len({cell for rows in seen for row in rows for cell in row}),
        "demonstrations": len(task.demonstrations),
    }
    found = strata_of(task)
    for dimension, number in counted.items():
        name = found[dimension].replace(" or more", " to 99")
        first, last = (name.split(" to ") * 2)[:2]
        assert int(first) <= number <= int(last), dimension


@given(real_tasks())
def test_no_test_output_decides(task: Task) -> None:
    blind = replace(task, tests=tuple(TestPair(test.input) for test in task.tests))
    assert strata_of(blind) == strata_of(task)


def test_the_size_may_stay_change_or_do_both() -> None:
    one, two = Grid.from_digits("12"), Grid.from_digits("1/2")
    kept, changed = Pair(one, one), Pair(one, two)
    said = [
        strata_of(Task("t", shown, (TestPair(one),)))["output size"]
        for shown in ((kept, kept), (changed, changed), (kept, changed))
    ]
    assert said == list(STRATA["output size"])


def test_a_task_that_is_gone_is_said_to_be() -> None:
    assert set(strata_of(None).values()) == {GONE}


def test_ranges_leave_no_number_out() -> None:
    ends = [name.split(" to ") for name in STRATA["longest side"]]
    numbers = [number for first, last in ends for number in range(int(first), int(last) + 1)]
    assert numbers == list(range(1, 31))
