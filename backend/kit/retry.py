"""Try again after growing pauses."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Failure = TypeVar("Failure", bound=Exception)
Result = TypeVar("Result")

MAX_DOUBLINGS = 60  # far beyond any longest pause, and within what a float holds


def pause_after(failures: int, first: float, longest: float) -> float:
    """Seconds until the next try after `failures` in a row (from 1): `first`, doubled up to `longest`."""
    return min(first * 2.0 ** min(failures - 1, MAX_DOUBLINGS), longest)


def retry(
    work: Callable[[], Result],
    on: type[Failure],
    wait: Callable[[Failure, float], bool],
    first: float = 0.25,
    longest: float = 10.0,
) -> Result:
    """What `work` returns once it no longer raises `on`.

    `wait(error, pause)` passes the time before the next try, in seconds; False gives up and raises the error.
    """
    failures = 0
    while True:
        try:
            return work()
        except on as error:
            failures += 1
            if not wait(error, pause_after(failures, first, longest)):
                raise
