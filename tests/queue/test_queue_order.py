"""The order of the queue: people change it, workers honour it."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from backend.db.session import reading_scope, session_scope
from backend.kit.errors import Conflict, InvalidInput, NotFound
from backend.queue import board as queue_board
from backend.queue import claims as queue
from backend.queue import order as queue_order
from backend.queue import sweep as queue_sweep
from tests.support.records.rows import add_run

NOW = 1_800_000_000.0


@pytest.fixture
def four(engine: Engine) -> list[str]:
    """Waiting runs a, b, c, d, a being the oldest."""
    return [add_run(engine, name, created_at=NOW - 100 + at) for at, name in enumerate("abcd")]


def order(engine: Engine) -> str:
    with reading_scope(engine) as session:
        board = queue_board.read(session)
    assert [each.place for each in board.waiting] == list(range(1, len(board.waiting) + 1))
    return "".join(each.run.id for each in board.waiting)


def move(engine: Engine, run_id: str, place: int) -> int:
    with session_scope(engine) as session:
        return queue_order.move(session, run_id, place)


def prioritise(engine: Engine, run_id: str, priority: str) -> None:
    with session_scope(engine) as session:
        queue_order.prioritise(session, run_id, priority)


def test_a_run_goes_where_it_is_put_and_workers_take_the_first(engine: Engine, four: list[str]) -> None:
    assert order(engine) == "abcd"
    assert move(engine, "d", 1) == 1
    assert order(engine) == "dabc"
    assert move(engine, "d", 3) == 3
    assert order(engine) == "abdc"
    assert move(engine, "a", 99) == 4
    assert order(engine) == "bdca"

    taken = []
    for _ in range(5):
        with session_scope(engine) as session:
            claim = queue.claim(session, None, "here.1.2.3")
            taken.append(claim.run_id if claim else None)
    assert taken == ["b", "d", "c", "a", None]


def test_moving_for_ever_between_two_runs_keeps_every_order(engine: Engine, four: list[str]) -> None:
    for _ in range(60):  # places halve each time until there is no number left between them
        move(engine, "d", 2)
        assert order(engine) == "adbc"
        move(engine, "b", 2)
        assert order(engine) == "abdc"
    add_run(engine, "e", created_at=NOW)
    assert order(engine) == "abdce"


def test_priority_goes_before_age_and_a_move_takes_on_its_neighbours(engine: Engine, four: list[str]) -> None:
    prioritise(engine, "c", "high")
    prioritise(engine, "d", "high")
    assert order(engine) == "cdab"
    prioritise(engine, "a", "low")
    assert order(engine) == "cdba"

    move(engine, "a", 1)  # above what is high: high as well
    assert order(engine) == "acdb"
    move(engine, "c", 4)  # below what is normal: normal as well
    assert order(engine) == "adbc"
    with reading_scope(engine) as session:
        board = queue_board.read(session)
        second = board.waiting[1].run
    assert [each.priority for each in board.waiting] == ["high", "high", "normal", "normal"]
    assert "1 ahead in queue" in second.waiting_reasons
    with session_scope(engine) as session:
        assert queue_sweep.sweep(session).runs == []  # nobody is idle


def test_only_what_waits_has_a_place(engine: Engine, four: list[str]) -> None:
    add_run(engine, "over", status="finished")
    with pytest.raises(Conflict, match="finished"):
        move(engine, "over", 1)
    with pytest.raises(NotFound):
        prioritise(engine, "nobody", "high")
    with pytest.raises(InvalidInput) as caught:
        prioritise(engine, "a", "hihg")
    assert "Did you mean 'high'?" in str(caught.value.problems[0])
    with pytest.raises(InvalidInput):
        move(engine, "a", 0)
    assert order(engine) == "abcd"
