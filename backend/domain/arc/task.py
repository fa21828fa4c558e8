"""One ARC puzzle: demonstration pairs that show a rule, and test pairs that ask for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from backend.domain.arc.grid import Grid

if TYPE_CHECKING:
    from backend.domain.arc.pool import PairPool


MAX_ID_LENGTH = 200  # the longest of Mini-ARC has 106


@dataclass(frozen=True, slots=True)
class Pair:
    """An input grid and the output its rule gives."""

    input: Grid
    output: Grid


@dataclass(frozen=True, slots=True)
class TestPair:
    """A test input; its output is None where the truth is not known (a Kaggle test file)."""

    __test__ = False  # not a pytest class

    input: Grid
    output: Grid | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """A puzzle with its demonstrations and test pairs.

    With a `pool` it has many more pairs, which training draws from; what is shown and asked of it in an
    evaluation is a fixed draw from them (backend/domain/arc/pool.py).
    """

    id: str
    demonstrations: tuple[Pair, ...]
    tests: tuple[TestPair, ...]
    pool: PairPool | None = None

    @property
    def visible_grids(self) -> tuple[Grid, ...]:
        """Everything a solver may see: all demonstration grids and the test inputs."""
        shown = [grid for pair in self.demonstrations for grid in (pair.input, pair.output)]
        return (*shown, *(test.input for test in self.tests))

    @property
    def visible_side(self) -> int:
        """The longest side of any visible grid; blind to the test outputs."""
        return max(self.visible_extent)

    @property
    def visible_extent(self) -> tuple[int, int]:
        """The greatest height and the greatest width of any visible grid; blind to the test outputs."""
        grids = self.visible_grids
        return max(grid.height for grid in grids), max(grid.width for grid in grids)

    @property
    def side(self) -> int:
        """The longest side of any grid, the known test outputs and those of a pool included."""
        outputs = [test.output for test in self.tests if test.output]
        pooled = self.pool.side if self.pool else 0
        return max(self.visible_side, *(max(grid.height, grid.width) for grid in outputs), pooled)

    @property
    def training_side(self) -> int:
        """Of the smallest canvas on which the task can be trained."""
        return self.pool.needed_side if self.pool else self.visible_side


def choose_canvas(task: Task, sizes: tuple[int, ...]) -> int | None:
    """The smallest of the ascending `sizes` that holds every visible grid, or None."""
    return next((size for size in sizes if task.visible_side <= size), None)
