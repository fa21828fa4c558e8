"""What a rule is made of: operations on grids, each beside the check of what it claims to do.

A check is written from the other side, by what must be true of an input and its output, and shares no code
with the operation. Operations take and give arrays (height, width) of colours; 0 is the background.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import permutations
from typing import Protocol

import numpy as np

from worker.data.augment import DIHEDRALS, ON_ITS_SIDE
from worker.data.procedural.symmetry import (
    Direction,
    conjugate,
    turned_direction,
    turned_vector,
)
from worker.data.tokens import Cells

_TURNS = ("same", "left", "half", "right", "mirror", "flip", "transpose", "antitranspose")


class Operation(Protocol):
    """One step of a rule. What is inherited from here is right for a step that names no colour and looks the
    same in every symmetry of the square."""

    @property
    def name(self) -> str:
        """What it does, in letters, digits and hyphens: part of the ids of its tasks."""
        ...

    def apply(self, cells: Cells) -> Cells:
        """The output of an input."""
        ...

    def holds(self, before: Cells, after: Cells) -> bool:
        """Whether `after` is what this makes of `before`."""
        ...

    @property
    def colours(self) -> tuple[int, ...]:
        """The colours that it names, in the order of its name."""
        return ()

    @property
    def is_identity(self) -> bool:
        """Whether it leaves every grid as it is."""
        return False

    def plain(self) -> Operation:
        """The one spelling of this function."""
        return self

    def orders(self) -> tuple[Operation, ...]:
        """Its spellings that differ in the order of what they name."""
        return (self,)

    def recoloured(self, colours: Mapping[int, int]) -> Operation:
        """The same step where every colour c is called `colours[c]`."""
        return self

    def turned(self, dihedral: int) -> Operation:
        """The same step on grids that a symmetry of the square has turned."""
        return self


def by_words(down: int, right: int) -> str:
    """A step down and right, for names: `up1-right2`."""
    vertical = f"down{down}" if down >= 0 else f"up{-down}"
    horizontal = f"right{right}" if right >= 0 else f"left{-right}"
    return f"{vertical}-{horizontal}"


@dataclass(frozen=True)
class Recolour(Operation):
    """Each colour becomes another; colours that are not named stay."""

    images: tuple[tuple[int, int], ...]  # (colour, its image), by colour

    @property
    def name(self) -> str:
        return "recolour-" + "-".join(f"{colour}{image}" for colour, image in self.images)

    @property
    def colours(self) -> tuple[int, ...]:
        return tuple(colour for pair in self.images for colour in pair)

    @property
    def is_identity(self) -> bool:
        return all(colour == image for colour, image in self.images)

    def plain(self) -> Recolour:
        return Recolour(tuple(sorted((colour, image) for colour, image in self.images if colour != image)))

    def orders(self) -> tuple[Recolour, ...]:
        return tuple(Recolour(images) for images in permutations(self.images))

    def recoloured(self, colours: Mapping[int, int]) -> Recolour:
        return Recolour(tuple((colours[colour], colours[image]) for colour, image in self.images))

    def apply(self, cells: Cells) -> Cells:
        table = np.arange(10, dtype=np.uint8)
        for colour, image in self.images:
            table[colour] = image
        return table[cells]

    def holds(self, before: Cells, after: Cells) -> bool:
        images = dict(self.images)
        pairs = set(zip(before.ravel().tolist(), after.ravel().tolist(), strict=False))
        return before.shape == after.shape and all(new == images.get(old, old) for old, new in pairs)


@dataclass(frozen=True)
class Fill(Operation):
    """The background gets a colour."""

    colour: int

    @property
    def name(self) -> str:
        return f"fill-{self.colour}"

    @property
    def colours(self) -> tuple[int, ...]:
        return (self.colour,)

    def recoloured(self, colours: Mapping[int, int]) -> Fill:
        return Fill(colours[self.colour])

    def apply(self, cells: Cells) -> Cells:
        return np.where(cells == 0, np.uint8(self.colour), cells)

    def holds(self, before: Cells, after: Cells) -> bool:
        if before.shape != after.shape:
            return False
        changed = before != after
        return not before[changed].any() and bool((after[before == 0] == self.colour).all())


@dataclass(frozen=True)
class Turn(Operation):
    """One of the square's eight symmetries."""

    dihedral: int

    @property
    def name(self) -> str:
        return f"turn-{_TURNS[self.dihedral]}"

    @property
    def is_identity(self) -> bool:
        return self.dihedral == 0

    def turned(self, dihedral: int) -> Turn:
        return Turn(conjugate(self.dihedral, dihedral))

    def apply(self, cells: Cells) -> Cells:
        return DIHEDRALS[self.dihedral](cells)

    def holds(self, before: Cells, after: Cells) -> bool:
        last_row, last_column = before.shape[0] - 1, before.shape[1] - 1
        swaps = self.dihedral in (1, 3, 6, 7)
        if after.shape != (before.shape[::-1] if swaps else before.shape):
            return False
        for row in range(after.shape[0]):
            for column in range(after.shape[1]):
                came_from = (
                    (row, column),
                    (column, last_column - row),
                    (last_row - row, last_column - column),
                    (last_row - column, row),
                    (row, last_column - column),
                    (last_row - row, column),
                    (column, row),
                    (last_row - column, last_column - row),
                )[self.dihedral]
                if after[row, column] != before[came_from]:
                    return False
        return True


@dataclass(frozen=True)
class Shift(Operation):
    """Everything moves; what leaves the grid is lost and background comes in."""

    down: int
    right: int

    @property
    def name(self) -> str:
        return f"shift-{by_words(self.down, self.right)}"

    @property
    def is_identity(self) -> bool:
        return not (self.down or self.right)

    def turned(self, dihedral: int) -> Shift:
        return Shift(*turned_vector((self.down, self.right), dihedral))

    def apply(self, cells: Cells) -> Cells:
        height, width = cells.shape
        room = np.zeros((3 * height, 3 * width), dtype=cells.dtype)
        top, left = height + self.down, width + self.right
        room[top : top + height, left : left + width] = cells
        return room[height : 2 * height, width : 2 * width]

    def holds(self, before: Cells, after: Cells) -> bool:
        if before.shape != after.shape:
            return False
        height, width = before.shape
        for (row, column), colour in np.ndenumerate(after):
            source = row - self.down, column - self.right
            inside = 0 <= source[0] < height and 0 <= source[1] < width
            if colour != (before[source] if inside else 0):
                return False
        return True


@dataclass(frozen=True)
class Roll(Operation):
    """Everything moves; what leaves the grid comes in on the other side."""

    down: int
    right: int

    @property
    def name(self) -> str:
        return f"roll-{by_words(self.down, self.right)}"

    @property
    def is_identity(self) -> bool:
        return not (self.down or self.right)

    def turned(self, dihedral: int) -> Roll:
        return Roll(*turned_vector((self.down, self.right), dihedral))

    def apply(self, cells: Cells) -> Cells:
        return np.roll(cells, (self.down, self.right), axis=(0, 1))

    def holds(self, before: Cells, after: Cells) -> bool:
        height, width = before.shape
        return before.shape == after.shape and all(
            colour == after[(row + self.down) % height, (column + self.right) % width]
            for (row, column), colour in np.ndenumerate(before)
        )


@dataclass(frozen=True)
class Fall(Operation):
    """Coloured cells fall to one side, each in its row or column, in their order."""

    towards: Direction

    @property
    def name(self) -> str:
        return f"fall-{self.towards}"

    def turned(self, dihedral: int) -> Fall:
        return Fall(turned_direction(self.towards, dihedral))

    def apply(self, cells: Cells) -> Cells:
        axis = 0 if self.towards in ("up", "down") else 1
        last = self.towards in ("down", "right")
        # Equal keys keep their order; where cells fall to the end, background (False) comes first.
        order = np.argsort(cells != 0 if last else cells == 0, axis=axis, kind="stable")
        return np.take_along_axis(cells, order, axis)

    def holds(self, before: Cells, after: Cells) -> bool:
        if before.shape != after.shape:
            return False
        if self.towards in ("up", "down"):
            before, after = before.T, after.T
        for old, new in zip(before, after, strict=True):
            kept = [colour for colour in old.tolist() if colour]
            gap = [0] * (len(old) - len(kept))
            if new.tolist() != (gap + kept if self.towards in ("down", "right") else kept + gap):
                return False
        return True


@dataclass(frozen=True)
class Crop(Operation):
    """What is coloured, cut out by its bounding box."""

    @property
    def name(self) -> str:
        return "crop"

    def apply(self, cells: Cells) -> Cells:
        rows, columns = (np.flatnonzero((cells != 0).any(axis)) for axis in (1, 0))
        if not len(rows):
            return cells
        return cells[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]

    def holds(self, before: Cells, after: Cells) -> bool:
        if not before.any():
            return np.array_equal(before, after)
        edges = after[0], after[-1], after[:, 0], after[:, -1]
        if not all(edge.any() for edge in edges) or np.count_nonzero(after) != np.count_nonzero(before):
            return False
        height, width = after.shape
        places = (
            (row, column)
            for row in range(before.shape[0] - height + 1)
            for column in range(before.shape[1] - width + 1)
        )
        return any(
            np.array_equal(before[row : row + height, column : column + width], after)
            for row, column in places
        )


@dataclass(frozen=True)
class Tile(Operation):
    """The grid, repeated."""

    rows: int
    columns: int

    @property
    def name(self) -> str:
        return f"tile-{self.rows}x{self.columns}"

    def turned(self, dihedral: int) -> Tile:
        return Tile(self.columns, self.rows) if dihedral in ON_ITS_SIDE else self

    def apply(self, cells: Cells) -> Cells:
        return np.tile(cells, (self.rows, self.columns))

    def holds(self, before: Cells, after: Cells) -> bool:
        height, width = before.shape
        if after.shape != (height * self.rows, width * self.columns):
            return False
        return all(
            colour == before[row % height, column % width] for (row, column), colour in np.ndenumerate(after)
        )
