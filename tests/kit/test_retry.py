"""Tries again after pauses that double, until it succeeds or is told to give up."""

from __future__ import annotations

import itertools

import pytest

from backend.kit.retry import pause_after, retry


def test_pauses_double_up_to_the_longest() -> None:
    assert [pause_after(n, 1.0, 5.0) for n in (1, 2, 3, 4, 5000)] == [1.0, 2.0, 4.0, 5.0, 5.0]


def test_work_is_tried_until_it_succeeds() -> None:
    pauses, tries = list[float](), itertools.count(1)

    def work() -> int:
        if (number := next(tries)) < 4:
            raise ConnectionError
        return number

    def wait(error: ConnectionError, pause: float) -> bool:
        pauses.append(pause)
        return True

    assert retry(work, ConnectionError, wait, first=0.5, longest=1.5) == 4
    assert pauses == [0.5, 1.0, 1.5]


def test_the_error_is_raised_when_waiting_is_given_up() -> None:
    def work() -> None:
        raise ConnectionError("away")

    with pytest.raises(ConnectionError, match="away"):
        retry(work, ConnectionError, lambda error, pause: False)


def test_another_error_is_not_tried_again() -> None:
    def work() -> None:
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        retry(work, ConnectionError, lambda error, pause: pytest.fail("waited"))
