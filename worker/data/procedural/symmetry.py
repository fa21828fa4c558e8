"""How steps of a rule look on turned grids: the eight symmetries of the square acting on each other, on
vectors and on directions.

All of it is read off the symmetries themselves (`DIHEDRALS`), applied to small grids.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from worker.data.augment import DIHEDRALS, INVERSE_DIHEDRAL

Direction = Literal["up", "down", "left", "right"]
Vector = tuple[int, int]  # rows down, columns right
VECTORS: dict[Direction, Vector] = {"up": (-1, 0), "down": (1, 0), "left": (0, -1), "right": (0, 1)}
DIRECTIONS: tuple[Direction, ...] = tuple(VECTORS)


def conjugate(dihedral: int, by: int) -> int:
    """The symmetry that does on grids turned `by` what `dihedral` does on the originals."""
    return _CONJUGATES[by][dihedral]


def turned_vector(vector: Vector, by: int) -> Vector:
    """A vector as a symmetry turns it."""
    down, right = vector
    (down_down, down_right), (right_down, right_right) = _AXES[by]
    return down * down_down + right * right_down, down * down_right + right * right_right


def turned_direction(direction: Direction, by: int) -> Direction:
    """A direction as a symmetry turns it."""
    turned = turned_vector(VECTORS[direction], by)
    return next(name for name, vector in VECTORS.items() if vector == turned)


def _conjugates(by: int) -> tuple[int, ...]:
    numbered = np.arange(6, dtype=np.uint8).reshape(2, 3)  # no two symmetries make the same of it
    found = []
    for dihedral in DIHEDRALS:
        image = DIHEDRALS[by](dihedral(DIHEDRALS[INVERSE_DIHEDRAL[by]](numbered)))
        matches = [np.array_equal(other(numbered), image) for other in DIHEDRALS]
        found.append(matches.index(True))
    return tuple(found)


def _axes(by: int) -> tuple[Vector, Vector]:
    """Where a symmetry takes one step down and one step right: marks beside the centre of a square."""
    taken = []
    for place in ((2, 1), (1, 2)):
        marked = np.zeros((3, 3), dtype=np.uint8)
        marked[place] = 1
        ((row, column),) = np.argwhere(DIHEDRALS[by](marked)).tolist()
        taken.append((row - 1, column - 1))
    return taken[0], taken[1]


_CONJUGATES = tuple(_conjugates(by) for by in range(len(DIHEDRALS)))
_AXES = tuple(_axes(by) for by in range(len(DIHEDRALS)))
