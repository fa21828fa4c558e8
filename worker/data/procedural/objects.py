"""A step on one object of several. An object is what touches, corners included, whatever its colours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from worker.data.procedural.operations import Operation
from worker.data.procedural.symmetry import DIRECTIONS, Direction, turned_direction
from worker.data.tokens import Cells

Which = Literal["largest", "smallest"] | Direction
Action = Literal["keep", "remove", "crop", "paint"]
WHICH: tuple[Which, ...] = ("largest", "smallest", *DIRECTIONS)
Mask = NDArray[np.bool_]  # (height, width)


@dataclass(frozen=True)
class Pick(Operation):
    """The largest object, the smallest, or the one that reaches farthest to a side is kept alone, removed,
    cut out by its bounding box, or painted in a colour. Where there is no such one, nothing changes.
    """

    which: Which
    action: Action
    colour: int = 0  # of "paint"

    @property
    def name(self) -> str:
        painted = f"-{self.colour}" if self.action == "paint" else ""
        return f"{self.action}-{self.which}{painted}"

    @property
    def colours(self) -> tuple[int, ...]:
        return (self.colour,) if self.action == "paint" else ()

    def recoloured(self, colours: Mapping[int, int]) -> Pick:
        return replace(self, colour=colours[self.colour]) if self.action == "paint" else self

    def turned(self, dihedral: int) -> Pick:
        if self.which == "largest" or self.which == "smallest":
            return self
        return replace(self, which=turned_direction(self.which, dihedral))

    def apply(self, cells: Cells) -> Cells:
        mask = picked(cells, self.which)
        if mask is None:
            return cells
        if self.action == "keep":
            return np.where(mask, cells, np.uint8(0))
        if self.action == "remove":
            return np.where(mask, np.uint8(0), cells)
        if self.action == "paint":
            return np.where(mask, np.uint8(self.colour), cells)
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        return np.where(mask[box], cells[box], np.uint8(0))

    def holds(self, before: Cells, after: Cells) -> bool:
        """By sets of cells: which object it is, and what became of every cell."""
        objects = _as_sets(before)
        ranked = sorted(objects, key=self._rank)
        if not ranked or (len(ranked) > 1 and self._rank(ranked[0]) == self._rank(ranked[1])):
            return np.array_equal(before, after)
        chosen = ranked[0]
        top, left = 0, 0
        expected = {place: int(before[place]) for object_ in objects for place in object_}
        if self.action in ("keep", "crop"):
            expected = {place: expected[place] for place in chosen}
        if self.action == "remove":
            expected = {place: colour for place, colour in expected.items() if place not in chosen}
        if self.action == "paint":
            expected |= dict.fromkeys(chosen, self.colour)
        shape = before.shape
        if self.action == "crop":
            (top, bottom), (left, right) = ((min(axis), max(axis)) for axis in zip(*chosen, strict=True))
            shape = (bottom - top + 1, right - left + 1)
        coloured = {(top + row, left + column) for row, column in np.argwhere(after).tolist()}
        return after.shape == shape and expected == {
            (row, column): int(after[row - top, column - left]) for row, column in coloured
        }

    def _rank(self, places: frozenset[tuple[int, int]]) -> int:
        """Least for the object that is meant."""
        return {
            "largest": -len(places),
            "smallest": len(places),
            "up": min(row for row, _ in places),
            "down": -max(row for row, _ in places),
            "left": min(column for _, column in places),
            "right": -max(column for _, column in places),
        }[self.which]


def picked(cells: Cells, which: Which) -> Mask | None:
    """The cells of the object that is meant; None where there is none, or two are equal in it."""
    masks = objects_of(cells)
    if not masks:
        return None
    ranks = [_reach(mask, which) for mask in masks]
    best = min(ranks)
    return masks[ranks.index(best)] if ranks.count(best) == 1 else None


def objects_of(cells: Cells) -> tuple[Mask, ...]:
    """The objects of a grid, each as a mask (height, width)."""
    return _objects(cells.tobytes(), cells.shape[0], cells.shape[1])


def _reach(mask: Mask, which: Which) -> int:
    if which == "largest" or which == "smallest":
        size = int(mask.sum())
        return -size if which == "largest" else size
    lines = np.flatnonzero(mask.any(1 if which in ("up", "down") else 0))
    return int(lines[0]) if which in ("up", "left") else -int(lines[-1])


@lru_cache(maxsize=4096)
def _objects(content: bytes, height: int, width: int) -> tuple[Mask, ...]:
    """By spreading from the first cell that belongs to none yet."""
    left_over = np.frombuffer(content, dtype=np.uint8).reshape(height, width) != 0
    found = []
    while left_over.any():
        room = np.zeros((height + 2, width + 2), dtype=bool)
        inside = room[1:-1, 1:-1]
        inside[np.unravel_index(int(left_over.argmax()), left_over.shape)] = True
        size = 0
        while size != (size := int(inside.sum())):
            spread = room[:-2] | room[1:-1] | room[2:]
            inside |= (spread[:, :-2] | spread[:, 1:-1] | spread[:, 2:]) & left_over
        found.append(inside.copy())
        left_over = left_over & ~inside
    return tuple(found)


def _as_sets(cells: Cells) -> list[frozenset[tuple[int, int]]]:
    """The objects again, by a walk from cell to cell."""
    waiting = {(row, column) for row, column in np.argwhere(cells).tolist()}
    found = []
    while waiting:
        edge, together = [waiting.pop()], set()
        while edge:
            row, column = edge.pop()
            together.add((row, column))
            near = {(row + down, column + right) for down in (-1, 0, 1) for right in (-1, 0, 1)} & waiting
            waiting -= near
            edge += near
        found.append(frozenset(together))
    return found
