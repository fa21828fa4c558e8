"""The way from one task's context to another's: what is asked on it, and how its answers are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from backend.domain.arc.grid import Grid
from backend.domain.arc.task import Task
from backend.kit.problems import invalid

REFUSED = "There is nothing to decode between."
QUICK_POINTS, MAX_POINTS = 7, 33


@dataclass(frozen=True)
class WayPoint:
    """The answer under one context of the way."""

    share: float  # of the way, 0 to 1
    grid: Grid
    cell_accuracy: float | None  # None where the truth is not known
    halting_probability: float


@dataclass(frozen=True)
class Way:
    """A test input of the first task, answered under contexts from its own to that of the second."""

    asked: Grid
    truth: Grid | None  # None where it is not known
    points: tuple[WayPoint, ...]  # both ends included


class Reading(StrEnum):
    """What an answer on the way is equal to: the one under the first task's context, the second's, ..."""

    FIRST = "first"
    SECOND = "second"
    BOTH = "both"
    NEITHER = "neither"


def readings(grids: Sequence[Grid]) -> list[Reading]:
    """Of each answer on the way, whose first and last are those under the tasks' own contexts."""
    names = {
        (True, True): Reading.BOTH,
        (True, False): Reading.FIRST,
        (False, True): Reading.SECOND,
        (False, False): Reading.NEITHER,
    }
    return [names[grid == grids[0], grid == grids[-1]] for grid in grids]


def set_and_task(field: str, name: str) -> tuple[str, str]:
    """What `SET/TASK` names; InvalidInput for a name of another form."""
    set_name, _, task_id = name.rpartition("/")
    if not set_name or not task_id:
        hint = "Write for example arc-agi-1/training/007bbfb7."
        raise invalid(REFUSED, field, f"{name!r} is not a set and a task.", hint)
    return set_name, task_id


def canvas_of_both(first: Task, second: Task, test_index: int, sizes: Sequence[int]) -> int:
    """The smallest of the ascending `sizes` that holds both tasks. InvalidInput where none does, or the first
    has no such test input."""
    if test_index >= len(first.tests):
        raise invalid(REFUSED, "test", f"is {test_index + 1}; task {first.id} has {len(first.tests)}.")
    visible = max(first.visible_side, second.visible_side)
    side = next((size for size in sizes if visible <= size), None)
    if side is None:
        message = f"needs a canvas of {visible} with the first; the largest has {sizes[-1]}."
        raise invalid(REFUSED, "second", message, "Choose two smaller tasks, or another checkpoint.")
    return side
