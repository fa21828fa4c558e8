"""Tasks sorted by what a solver sees of them: size, colours, demonstrations, whether the size changes.

Every dimension puts every task into exactly one stratum: the strata of a dimension add up to all tasks.
"""

from __future__ import annotations

from backend.domain.arc.task import Task

GONE = "no longer in the set"  # of tasks that cannot be looked at any more


def _ranges(*ends: int) -> tuple[tuple[int, str], ...]:
    """(last value, name) of ranges that end at these values."""
    starts = (1, *(end + 1 for end in ends))
    return tuple(
        (end, f"{start} to {end}" if start < end else str(end))
        for start, end in zip(starts, ends, strict=False)
    )


SIDES = _ranges(5, 10, 15, 20, 25, 30)
COLOURS = _ranges(2, 4, 6, 8, 10)
DEMONSTRATIONS = _ranges(1, 2, 3, 4, 5)
MORE_DEMONSTRATIONS = "6 or more"
SAME_SIZE = "same as input"
OTHER_SIZE = "other than input"
SOMETIMES = "same in some"

# dimension -> its strata, in the order in which tables show them
STRATA: dict[str, tuple[str, ...]] = {
    "longest side": tuple(name for _, name in SIDES),
    "colours": tuple(name for _, name in COLOURS),
    "demonstrations": (*(name for _, name in DEMONSTRATIONS), MORE_DEMONSTRATIONS),
    "output size": (SAME_SIZE, OTHER_SIZE, SOMETIMES),
}
MEANINGS = {
    "longest side": "of all demonstration grids and test inputs, in cells",
    "colours": "different ones in all demonstration grids and test inputs, black included",
    "demonstrations": "pairs shown with the task",
    "output size": "in the demonstrations, against the size of their inputs",
}


def strata_of(task: Task | None) -> dict[str, str]:
    """Dimension -> the stratum that the task belongs to; of None, which is gone from its set, `GONE`.

    Only what a solver may see decides: demonstrations and test inputs, never a test output.
    """
    if task is None:
        return dict.fromkeys(STRATA, GONE)
    colours = {cell for grid in task.visible_grids for row in grid.rows for cell in row}
    return {
        "longest side": _named(task.visible_side, SIDES, SIDES[-1][1]),
        "colours": _named(len(colours), COLOURS, COLOURS[-1][1]),
        "demonstrations": _named(len(task.demonstrations), DEMONSTRATIONS, MORE_DEMONSTRATIONS),
        "output size": _output_size(task),
    }


def _named(value: int, ranges: tuple[tuple[int, str], ...], otherwise: str) -> str:
    return next((name for end, name in ranges if value <= end), otherwise)


def _output_size(task: Task) -> str:
    kept = [
        (pair.input.height, pair.input.width) == (pair.output.height, pair.output.width)
        for pair in task.demonstrations
    ]
    return SAME_SIZE if all(kept) else SOMETIMES if any(kept) else OTHER_SIZE
