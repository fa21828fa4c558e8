"""Pairs that two sets share in any augmentation, in made-up tasks and in the real sets."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from backend.domain.arc.files import read_built_in
from backend.domain.arc.grid import Grid
from backend.domain.arc.task import Pair, Task
from backend.domain.experiment import BUILT_IN_SETS
from tests.support.records.arc import augmentations, grids, real_tasks
from worker.data.augment import Augmentation
from worker.data.leaks import Leak, canonical, find_leaks


def seen_through(view: Augmentation, pair: Pair) -> Pair:
    return Pair(view.apply(pair.input), view.apply(pair.output))


@given(grids(), grids(), augmentations())
def test_the_canonical_form_is_the_same_in_every_augmentation(
    one: Grid, other: Grid, view: Augmentation
) -> None:
    assert canonical(view.apply(one), view.apply(other)) == canonical(one, other)


@given(grids(3), grids(3), grids(3), grids(3))
def test_pairs_of_one_form_are_augmentations_of_each_other(a: Grid, b: Grid, c: Grid, d: Grid) -> None:
    if canonical(a, b) != canonical(c, d):
        return
    assert any(_recoloured(turned(a), turned(b), c, d) for turned in _turns())


def _turns() -> list[Callable[[Grid], Grid]]:
    return [Augmentation(number).apply for number in range(8)]


def _recoloured(a: Grid, b: Grid, c: Grid, d: Grid) -> bool:
    """Whether one permutation of 1 to 9 turns the pair (a, b) into (c, d)."""
    if (a.height, a.width, b.height, b.width) != (c.height, c.width, d.height, d.width):
        return False
    images = set(zip([*a.cells, *b.cells], [*c.cells, *d.cells], strict=True))
    one, other = [pair[0] for pair in images], [pair[1] for pair in images]
    return (
        len(set(one)) == len(one)
        and len(set(other)) == len(other)
        and all((x == 0) == (y == 0) for x, y in images)
    )


def test_colour_0_is_not_like_the_others() -> None:
    black, blue, red = (Grid.from_digits(digit) for digit in "012")
    assert canonical(blue, blue) == canonical(red, red)
    assert canonical(black, black) != canonical(blue, blue)
    assert canonical(blue, red) == canonical(red, blue) != canonical(blue, blue)


@given(real_tasks("arc-agi-1/training"), real_tasks("arc-agi-2/evaluation"), augmentations(), st.data())
def test_a_planted_pair_is_found_in_any_augmentation(
    task: Task, asked: Task, view: Augmentation, data: st.DataObject
) -> None:
    number = data.draw(st.integers(1, len(asked.tests)))
    test = asked.tests[number - 1]
    assert test.output is not None
    planted = seen_through(view, Pair(test.input, test.output))
    leaking = replace(task, demonstrations=(*task.demonstrations, planted))
    leaks = find_leaks({"mine": [leaking]}, {"theirs": [asked]})
    assert Leak("mine", task.id, "theirs", asked.id, f"test {number}") in leaks
    assert find_leaks({"mine": [task]}, {"theirs": [asked]}) == ()


def test_the_same_task_under_another_name_or_with_other_pairs_is_a_leak() -> None:
    task = read_built_in("arc-agi-1/training")[0]
    renamed = replace(task, id="other")
    whole = [f"demonstration {number}" for number in range(1, 6)] + ["test 1"]
    assert [leak.what for leak in find_leaks({"a": [task]}, {"b": [renamed]})] == whole
    revised = replace(read_built_in("arc-agi-1/training")[1], id=task.id)
    (leak,) = find_leaks({"a": [task]}, {"b": [revised]})
    assert str(leak) == "007bbfb7 of a holds the id of 007bbfb7 of b"


def test_a_test_without_its_output_is_passed_over() -> None:
    task = read_built_in("arc-agi-1/training")[0]
    unsolved = replace(
        task,
        id="unsolved",
        demonstrations=(Pair(Grid.from_digits("1"), Grid.from_digits("2")),),
        tests=tuple(replace(test, output=None) for test in task.tests),
    )
    assert find_leaks({"a": [task]}, {"b": [unsolved]}) == ()


def test_arc_agi_1_training_holds_pairs_of_two_evaluation_tasks() -> None:
    leaks = find_leaks(
        {"training": read_built_in("arc-agi-1/training")},
        {"evaluation": read_built_in("arc-agi-1/evaluation")},
    )
    assert {(leak.training_task, leak.evaluated_task, leak.what) for leak in leaks} == {
        ("40853293", "070dd51e", "demonstration 1"),
        ("40853293", "070dd51e", "demonstration 2"),
        ("40853293", "070dd51e", "test 1"),
        ("caa06a1f", "50a16a69", "demonstration 1"),
        ("caa06a1f", "50a16a69", "test 1"),
    }


def test_arc_agi_2_training_holds_most_of_arc_agi_1_evaluation() -> None:
    leaks = find_leaks(
        {"training": read_built_in("arc-agi-2/training")},
        {"evaluation": read_built_in("arc-agi-1/evaluation")},
    )
    assert len({leak.evaluated_task for leak in leaks}) == 376
    assert len({leak.training_task for leak in leaks}) == 377


def test_arc_agi_2_is_apart_in_itself() -> None:
    training, evaluation = "arc-agi-2/training", "arc-agi-2/evaluation"
    assert find_leaks({training: read_built_in(training)}, {evaluation: read_built_in(evaluation)}) == ()


def test_all_1920_built_in_tasks_are_compared_in_seconds() -> None:
    sets = {name: read_built_in(name) for name in BUILT_IN_SETS}
    started = time.process_time()
    find_leaks(sets, sets)
    assert time.process_time() - started < 10  # about 1 s on one core
