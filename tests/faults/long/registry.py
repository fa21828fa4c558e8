"""The kinds of faults, each with what the product promises of it.

A kind is one generator function with `@fault(…)`. Before its `yield` it prepares, waits for a random moment,
strikes and heals; after it, once the runs have ended, it may check what only this fault is about.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.faults.long.trial import Trial

Course = Generator[None, None, None]
SQLITE, POSTGRES = "sqlite", "postgres"
STORED = "sqlite+s3"  # with checkpoints in an object store
EITHER = (SQLITE, POSTGRES)


class Missed(Exception):
    """The fault came too late: what it was to hit was over. The try is made again."""


class Skipped(Exception):
    """This machine cannot do that to itself; why, in words."""


@dataclass(frozen=True)
class Kind:
    """A fault: what happens, what is promised of it, and on which databases."""

    name: str  # on the command line
    fault: str  # in the table
    promise: str
    databases: tuple[str, ...]
    course: Callable[[Trial], Course]


KINDS: dict[str, Kind] = {}


def fault(
    name: str, words: str, promise: str, databases: tuple[str, ...] = EITHER
) -> Callable[[Callable[[Trial], Course]], Callable[[Trial], Course]]:
    """Register a kind: its name, the fault and the promise in words."""

    def register(course: Callable[[Trial], Course]) -> Callable[[Trial], Course]:
        KINDS[name] = Kind(name, words, promise, databases, course)
        return course

    return register
