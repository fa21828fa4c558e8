"""Augmentation: colours 1 to 9 permuted, then one of the square's eight symmetries; each with its inverse.

One augmentation holds for a whole task, demonstrations and tests. It is drawn from a hash of (seed, task,
index), so that any view of any task can be had again without storing it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from backend.domain.arc.grid import COLOURS, Grid
from worker.data.tokens import Cells, Table, as_cells
from worker.kit.batch import FIRST_COLOUR

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
_ALL_COLOURS = set(SAME_COLOURS)
_SEPARATOR = "|||"
_BYTES = 256  # different ones


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Recolour, then turn or flip. `colours[c]` is the image of colour c; 0 stays 0."""

    dihedral: int = 0
    colours: tuple[int, ...] = SAME_COLOURS

    def __post_init__(self) -> None:
        if not 0 <= self.dihedral < len(DIHEDRALS):
            raise ValueError(f"dihedral {self.dihedral} is not in 0 to {len(DIHEDRALS) - 1}")
        if self.colours[0] != 0 or len(self.colours) != COLOURS or set(self.colours) != _ALL_COLOURS:
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
    rest, dihedral = divmod(int.from_bytes(_digest(seed, task_id, index), "little"), len(DIHEDRALS))
    colours = list(SAME_COLOURS)
    for last in range(COLOURS - 1, 1, -1):  # Fisher-Yates over 1 to 9
        rest, chosen = divmod(rest, last)
        colours[last], colours[chosen + 1] = colours[chosen + 1], colours[last]
    return Augmentation(dihedral, tuple(colours))


class Drawn(NamedTuple):
    """Augmentations as arrays, n of them."""

    dihedrals: NDArray[np.uint8]  # (n,)
    colours: NDArray[np.uint8]  # (n, 10), the images of 0 to 9

    @classmethod
    def of(cls, views: Sequence[Augmentation]) -> Drawn:
        """These augmentations."""
        colours = np.frombuffer(b"".join([bytes(each.colours) for each in views]), np.uint8)
        dihedrals = np.array([each.dihedral for each in views], dtype=np.uint8)
        return cls(dihedrals, colours.reshape(-1, COLOURS))

    @property
    def tokens(self) -> list[Table]:
        """For each the token that every colour of the original is shown as."""
        tables = np.zeros((len(self.colours), _BYTES), dtype=np.uint8)
        tables[:, :COLOURS] = self.colours + FIRST_COLOUR
        return _rows(tables)

    @property
    def recolourings(self) -> list[Table]:
        """For each what every token of the original is shown as; PAD and EOS stay."""
        tables = np.tile(np.arange(_BYTES, dtype=np.uint8), (len(self.colours), 1))
        tables[:, FIRST_COLOUR : FIRST_COLOUR + COLOURS] = self.colours + FIRST_COLOUR
        return _rows(tables)

    @property
    def undone(self) -> list[Table]:
        """For each the original colour of every token that shows one."""
        tables = np.zeros((len(self.colours), _BYTES), dtype=np.uint8)
        tables[np.arange(len(tables))[:, None], self.colours + FIRST_COLOUR] = SAME_COLOURS
        return _rows(tables)

    @property
    def digits(self) -> list[str]:
        """For each the images of 0 to 9."""
        text = (self.colours + ord("0")).tobytes().decode("ascii")
        return [text[start : start + COLOURS] for start in range(0, len(text), COLOURS)]


def augmentations(seed: int, named: Iterable[tuple[str, int]]) -> Drawn:
    """What `augmentation` draws for each (task id, index), many times as fast."""
    indices: list[int] = []
    digests: list[bytes] = []
    for task_id, index in named:
        indices.append(index)
        digests.append(_digest(seed, task_id, index))
    rest = np.frombuffer(b"".join(digests), "<u8")
    dihedrals = (rest % len(DIHEDRALS)).astype(np.uint8)
    rest = rest // len(DIHEDRALS)
    colours = np.tile(np.arange(COLOURS, dtype=np.uint8), (len(rest), 1))
    rows = np.arange(len(rest))
    for last in range(COLOURS - 1, 1, -1):
        chosen = (rest % last).astype(np.int64) + 1
        rest = rest // last
        swapped = colours[rows, chosen]
        colours[rows, chosen] = colours[:, last]
        colours[:, last] = swapped
    originals = np.array(indices, dtype=np.int64) == 0
    dihedrals[originals] = 0
    colours[originals] = SAME_COLOURS
    return Drawn(dihedrals, colours)


def _rows(tables: NDArray[np.uint8]) -> list[bytes]:
    """Each row as bytes."""
    packed, width = tables.tobytes(), tables.shape[1]
    return [packed[start : start + width] for start in range(0, len(packed), width)]


def _digest(seed: int, task_id: str, index: int) -> bytes:
    return blake2b(f"{seed}/{index}/{task_id}".encode(), digest_size=8).digest()


def _transformed(grid: Grid, colours: tuple[int, ...], dihedral: int) -> Grid:
    """Recoloured and turned; the order of the two makes no difference. An empty grid stays empty."""
    if not grid.rows:
        return grid
    recoloured = np.array(colours, dtype=np.uint8)[as_cells(grid)]
    return Grid.of(DIHEDRALS[dihedral](recoloured).tolist())
