"""Grids and real ARC tasks for tests."""

from __future__ import annotations

from hypothesis import strategies as st

from backend.domain.arc.files import read_built_in
from backend.domain.arc.grid import Grid
from backend.domain.arc.task import Task
from worker.data.augment import SAME_COLOURS, Augmentation


@st.composite
def grids(draw: st.DrawFn, most: int = 30) -> Grid:
    """Any grid of 1 to `most` rows and columns."""
    height, width = draw(st.integers(1, most)), draw(st.integers(1, most))
    cells = draw(st.binary(min_size=height * width, max_size=height * width))
    return Grid.of([byte % 10 for byte in cells[row * width : (row + 1) * width]] for row in range(height))


def augmentations() -> st.SearchStrategy[Augmentation]:
    """Any of the 8 x 9! augmentations."""
    orders = st.permutations(SAME_COLOURS[1:])
    return st.builds(lambda turn, order: Augmentation(turn, (0, *order)), st.integers(0, 7), orders)


def real_tasks(set_name: str = "arc-agi-1/evaluation") -> st.SearchStrategy[Task]:
    """Any task of a built-in set."""
    return st.sampled_from(read_built_in(set_name))
