"""Augmentation: colours 1 to 9 permuted, then one of the square's eight symmetries; each with its inverse.

One augmentation holds for a whole task, demonstrations and tests. It is drawn from a hash of (seed, task,
index), so that any view of any task can be had again without storing it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from backend.domain.arc.grid import COLOURS, Grid
from worker.data.tokens import Cells, as_cells

DIHEDRALS: tuple[Callable[[Cells], Cells], ...] = (
    lambda cells: cells,
    lambda cells: cells.T[::-1],  # a quarter turn counter-clockwise
    lambda cells: cells[::-1, ::-1],
    lambda cells: cells.T[:, ::-1],  # a quarter turn clockwise
    lambda cells: cells[:, ::-1],  # left-right
    lambda cells: cells[::-1],  # up-down
    lambda cells: cells.T,
    lambda cells: cells.T[::-1, ::-1],  # a quarter turn counter-clockwise, then left-right
)
INVERSE_DIHEDRAL = (0, 3, 2, 1, 4, 5, 6, 7)
ON_ITS_SIDE = frozenset({1, 3, 6, 7})  # those that make columns of rows
SAME_COLOURS = tuple(range(COLOURS))
_SEPARATOR = "|||"


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Recolour, then turn or flip. `colours[c]` is the image of colour c; 0 stays 0."""

    dihedral: int = 0
    colours: tuple[int, ...] = SAME_COLOURS

    def __post_init__(self) -> None:
        if not 0 <= self.dihedral < len(DIHEDRALS):
            raise ValueError(f"dihedral {self.dihedral} is not in 0 to {len(DIHEDRALS) - 1}")
        if self.colours[0] != 0 or tuple(sorted(self.colours)) != SAME_COLOURS:
            raise ValueError(f"colours {self.colours} do not permute 1 to 9 and leave 0")

    def apply(self, grid: Grid) -> Grid:
        """The grid as this view shows it."""
        return _transformed(grid, self.colours, self.dihedral)

    def undo(self, grid: Grid) -> Grid:
        """The grid that this view shows as `grid`."""
        back = [0] * COLOURS
        for colour, image in enumerate(self.colours):
            back[image] = colour
        return _transformed(grid, tuple(back), INVERSE_DIHEDRAL[self.dihedral])

    def identifier(self, task_id: str) -> str:
        """`task|||t<dihedral>|||<ten digits, the images of 0 to 9>`; the task's bare id for the identity."""
        if self == IDENTITY:
            return task_id
        return _SEPARATOR.join((task_id, f"t{self.dihedral}", "".join(map(str, self.colours))))


IDENTITY = Augmentation()


def parse_identifier(identifier: str) -> tuple[str, Augmentation]:
    """The task id and the augmentation that an identifier names; ValueError if it is not one."""
    if _SEPARATOR not in identifier:
        return identifier, IDENTITY
    try:
        task_id, dihedral, digits = identifier.rsplit(_SEPARATOR, 2)
        if not dihedral.startswith("t"):
            raise ValueError(dihedral)
        return task_id, Augmentation(int(dihedral[1:]), tuple(map(int, digits)))
    except ValueError as error:
        raise ValueError(f"{identifier!r} does not have the form task|||t0-7|||ten digits") from error


def augmentation(seed: int, task_id: str, index: int) -> Augmentation:
    """The augmentation `index` of a task under a seed. Index 0 is the identity."""
    if index == 0:
        return IDENTITY
    digest = blake2b(f"{seed}/{index}/{task_id}".encode(), digest_size=8).digest()
    rest, dihedral = divmod(int.from_bytes(digest, "little"), len(DIHEDRALS))
    colours = list(SAME_COLOURS)
    for last in range(COLOURS - 1, 1, -1):  # Fisher-Yates over 1 to 9
        rest, chosen = divmod(rest, last)
        colours[last], colours[chosen + 1] = colours[chosen + 1], colours[last]
    return Augmentation(dihedral, tuple(colours))


def _transformed(grid: Grid, colours: tuple[int, ...], dihedral: int) -> Grid:
    """Recoloured and turned; the order of the two makes no difference. An empty grid stays empty."""
    if not grid.rows:
        return grid
    recoloured = np.array(colours, dtype=np.uint8)[as_cells(grid)]
    return Grid.of(DIHEDRALS[dihedral](recoloured).tolist())
