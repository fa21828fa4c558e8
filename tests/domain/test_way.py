"""What an answer between two contexts is equal to, and how a way survives being stored."""

from __future__ import annotations

import pytest

from backend.domain.arc.grid import Grid
from backend.domain.play import (
    BetweenRequest,
    PlayRequest,
    PlayResult,
    pack_result,
    stored_request,
    unpack_result,
)
from backend.domain.way import Way, WayPoint, readings, set_and_task
from backend.kit.errors import InvalidInput

ONE, TWO, THREE, EMPTY = (Grid.from_digits(digits) for digits in ("12", "21", "11/22", ""))


@pytest.mark.parametrize(
    ("grids", "words"),
    [
        ((ONE, ONE, TWO), "first first second"),
        ((ONE, THREE, TWO), "first neither second"),
        ((ONE, THREE, ONE), "both neither both"),
        ((EMPTY, TWO), "first second"),
    ],
)
def test_an_answer_is_told_by_the_ends_of_its_way(grids: tuple[Grid, ...], words: str) -> None:
    assert readings(grids) == words.split()


@pytest.mark.parametrize("truth", [TWO, None])
def test_a_way_is_stored_as_it_is(truth: Grid | None) -> None:
    points = (WayPoint(0.0, ONE, 0.5 if truth else None, 0.25), WayPoint(1.0, EMPTY, None, 0.75))
    result = PlayResult((), "CPU", 1.5, 0.5, way=Way(THREE, truth, points))
    assert unpack_result(pack_result(result)) == result


def test_a_stored_request_is_read_as_what_it_was() -> None:
    way = BetweenRequest(run="aaaaaaaaaa", first="set/a", second="set/b")
    task = PlayRequest(run="aaaaaaaaaa", task={"train": [], "test": []})
    assert [stored_request(each.model_dump(mode="json")) for each in (way, task)] == [way, task]


def test_a_task_is_named_with_its_set() -> None:
    assert set_and_task("first", "arc-agi-1/training/007bbfb7") == ("arc-agi-1/training", "007bbfb7")
    with pytest.raises(InvalidInput):
        set_and_task("first", "007bbfb7")
