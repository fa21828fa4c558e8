"""What a question shows of its task: its demonstrations, or what an intervention makes of them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple

from backend.domain.arc.grid import COLOURS
from backend.domain.arc.task import Pair, Task, choose_canvas
from backend.domain.interventions import Intervention
from worker.data.augment import Augmentation


class Showing(NamedTuple):
    """What stands beside the test inputs of a task."""

    side: int | None  # of the canvas; None where the task fits none
    demonstrations: tuple[Pair, ...]
    other: Task | None = None  # the task whose context answers in its place


def showings(
    tasks: Sequence[Task], sizes: tuple[int, ...], most: int, seed: int, intervention: Intervention
) -> list[Showing]:
    """Of each task in order: at most `most` demonstrations. It reads no test output.

    A swapped context is that of the next task, in a circle, on the same or a smaller canvas. Without such a
    task it is the next on any, and its demonstrations bring their canvas. Of one task alone nothing can be
    swapped.
    """
    sides = [choose_canvas(task, sizes) for task in tasks]
    if intervention != Intervention.SWAPPED:
        return [
            Showing(side, _changed(task, task.demonstrations[:most], most, seed, intervention))
            for task, side in zip(tasks, sides, strict=True)
        ]
    swapped = []
    for at, (task, side) in enumerate(zip(tasks, sides, strict=True)):
        other = _next(sides, at)
        if other is None or side is None:
            swapped.append(Showing(side, task.demonstrations[:most]))
        else:
            shown = tasks[other].demonstrations[:most]
            wide = max(side, sides[other] or side) if shown else side
            swapped.append(Showing(wide, shown, tasks[other]))
    return swapped


def _next(sides: Sequence[int | None], at: int) -> int | None:
    """The place of the task whose context stands for that of the one at `at`; None where there is none."""
    circle = [*range(at + 1, len(sides)), *range(at)]
    fitting = [(place, side) for place in circle if (side := sides[place]) is not None]
    own = sides[at] or 0
    return next((place for place, side in fitting if side <= own), fitting[0][0] if fitting else None)


def _changed(
    task: Task, shown: tuple[Pair, ...], most: int, seed: int, intervention: Intervention
) -> tuple[Pair, ...]:
    if not shown:
        return shown
    match intervention:
        case Intervention.DROPPED:
            return shown[:-1] or shown
        case Intervention.DUPLICATED:
            return (*(shown if len(shown) < most else shown[:-1]), shown[0])
        case Intervention.REORDERED:
            return (shown[-1], *shown[1:-1], shown[0]) if len(shown) > 1 else shown
        case Intervention.RECOLOURED:
            colours = _other_colours(f"{seed}/{task.id}")
            return tuple(Pair(colours.apply(pair.input), colours.apply(pair.output)) for pair in shown)
    return shown


def _other_colours(seed: str) -> Augmentation:
    """Colours 1 to 9 permuted so that none stays what it is: in a circle whose order is drawn."""
    circle = list(range(1, COLOURS))
    random.Random(seed).shuffle(circle)
    images = dict(zip(circle, circle[1:] + circle[:1], strict=True))
    return Augmentation(colours=(0, *(images[colour] for colour in range(1, COLOURS))))
