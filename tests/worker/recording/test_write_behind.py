"""A store that goes away and comes back, a store that refuses, and a loop faster than its store."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from backend.kit.errors import Unavailable
from worker.recording.write_behind import WriteBehind


class Memory:
    """A journal that keeps nothing but the count."""

    def __init__(self) -> None:
        self.kept = 0

    def keep(self, _entries: Sequence[int]) -> int:
        self.kept += 1
        return self.kept

    def stored(self, number: int) -> None:
        assert number <= self.kept

    def close(self) -> None:
        pass


def test_while_the_store_is_away_it_tries_again_and_keeps_the_order() -> None:
    stored: list[int] = []
    attempts: list[int] = []

    def write(batch: Sequence[int], _number: int) -> None:
        attempts.append(len(batch))
        if len(attempts) < 3:
            raise Unavailable("The database is away.")
        stored.extend(batch)

    queue = WriteBehind(write, Memory())
    for number in range(100):
        queue.put(number)
    queue.close()
    assert stored == list(range(100))
    assert len(attempts) >= 3


def test_an_error_that_trying_again_cannot_mend_is_raised_to_the_loop() -> None:
    def write(_batch: Sequence[int], _number: int) -> None:
        raise ValueError("no such metric")

    queue = WriteBehind(write, Memory())
    queue.put(1)
    with pytest.raises(ValueError, match="no such metric"):
        queue.flush()
    with pytest.raises(ValueError, match="no such metric"):
        queue.put(2)


def test_a_loop_much_faster_than_its_store_waits_and_nothing_is_dropped() -> None:
    stored: list[int] = []
    may_write = threading.Event()

    def write(batch: Sequence[int], _number: int) -> None:
        may_write.wait()
        stored.extend(batch)

    queue = WriteBehind(write, Memory(), most=10)

    def loop() -> None:
        for number in range(50):
            queue.put(number)

    looping = threading.Thread(target=loop)
    looping.start()
    looping.join(timeout=0.5)
    assert looping.is_alive()  # ten wait already
    may_write.set()
    looping.join(timeout=30)
    queue.close()
    assert stored == list(range(50))


def test_settling_waits_for_the_journal_and_not_for_the_store() -> None:
    may_write = threading.Event()
    journal = Memory()
    queue = WriteBehind(lambda _batch, _number: may_write.wait() and None, journal)
    queue.put(1)
    queue.settle()
    assert journal.kept == 1
    may_write.set()
    queue.close()
