"""What an evaluation's leak check compares: the tasks trained on with the tasks asked, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backend.domain.arc.files import read_built_in
from backend.domain.arc.task import Pair, Task, TestPair
from backend.domain.trained_on import SetPart, TrainedOn
from worker.data.augment import Augmentation
from worker.data.given_away import LeakCheck, check
from worker.data.sets import TasksInMemory

VIEW = Augmentation(5, (0, 3, 1, 2, 4, 6, 5, 7, 9, 8))
A, B, C, D = read_built_in("arc-agi-1/training")[:4]


def seen(pair: Pair) -> Pair:
    """The pair in another augmentation."""
    return Pair(VIEW.apply(pair.input), VIEW.apply(pair.output))


def asking(task: Task, pair: Pair, name: str) -> Task:
    """The task under another name, with this pair as its test."""
    return replace(task, id=name, tests=(TestPair(pair.input, pair.output),))


def found(part: SetPart, asked: Task, name: str = "asked") -> LeakCheck:
    source = TasksInMemory({"mine": (A, B, C)})
    return check(TrainedOn(3, {"mine": part}), source, {name: [asked]})


@pytest.mark.parametrize(
    ("part", "given_away"),
    [
        (SetPart(whole=(A.id, B.id)), True),
        (SetPart(whole=(B.id,)), False),  # a task of the set that was not trained on gives nothing away
        (SetPart(before=(A.id,)), True),  # by the run it started from
        (SetPart(demonstrations=(A.id,)), True),
        (SetPart(demonstrations=(B.id,)), False),
    ],
)
def test_a_demonstration_trained_on_gives_away_the_test_that_it_is(part: SetPart, given_away: bool) -> None:
    result = found(part, asking(D, seen(A.demonstrations[0]), "new"))
    assert result.given_away == ["new"] * given_away
    assert (f"{A.id} of mine" in result.warning) is given_away


def test_demonstrations_alone_give_no_demonstration_away() -> None:
    shown = replace(D, id="new", demonstrations=(seen(A.demonstrations[0]), *D.demonstrations))
    assert found(SetPart(whole=(A.id,)), shown).given_away == ["new"]
    assert found(SetPart(demonstrations=(A.id,)), shown) == LeakCheck()


def test_a_test_that_its_own_task_shows_is_given_away_by_nobody() -> None:
    pair = seen(A.demonstrations[0])
    told = replace(asking(D, pair, "new"), demonstrations=(A.demonstrations[0], *D.demonstrations))
    assert found(SetPart(demonstrations=(A.id,)), told) == LeakCheck()


def test_the_test_of_a_task_trained_on_by_its_demonstrations_stays_held_out() -> None:
    assert found(SetPart(demonstrations=(A.id,)), replace(A), "again") == LeakCheck()
    assert found(SetPart(demonstrations=(A.id,)), A, "mine") == LeakCheck()


def test_a_task_trained_on_is_told_as_such_and_is_no_leak() -> None:
    assert found(SetPart(whole=(A.id,)), A, "mine") == LeakCheck()
    assert found(SetPart(whole=(A.id,)), A, "again").given_away == [A.id]


def test_a_set_that_has_been_removed_is_said_not_to_be_checked() -> None:
    record = TrainedOn(2, {"gone": SetPart(whole=("x",)), "mine": SetPart(whole=(A.id,))})
    result = check(record, TasksInMemory({"mine": (A,)}), {"asked": [B]})
    assert result.extras == {"warning": "Not checked for leaks: gone was trained on and has been removed."}
