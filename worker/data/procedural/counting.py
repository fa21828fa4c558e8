"""A step that counts: the output is a bar whose length says how many."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from worker.data.augment import ON_ITS_SIDE
from worker.data.procedural.operations import Operation
from worker.data.tokens import Cells

Extreme = Literal["most", "least"]
Counted = Literal["colours", "cells", "most", "least"]
EXTREMES: tuple[Extreme, ...] = ("most", "least")
COUNTED: tuple[Counted, ...] = ("colours", "cells", "most", "least")


@dataclass(frozen=True)
class Bar(Operation):
    """A bar in the colour that occurs most or least often, as long as a count plus a constant.

    Counted are the different colours, all coloured cells, or the cells of the most or least frequent colour.
    A grid in which two colours share the place of the drawn or the counted one stays as it is.
    """

    colour: Extreme
    counted: Counted
    more: int
    thickness: int
    lies: bool  # along a row; else it stands in a column

    @property
    def name(self) -> str:
        axis = "row" if self.lies else "column"
        return f"bar-{axis}-{self.colour}-{self.counted}-plus{self.more}-thick{self.thickness}"

    def turned(self, dihedral: int) -> Bar:
        return replace(self, lies=not self.lies) if dihedral in ON_ITS_SIDE else self

    def apply(self, cells: Cells) -> Cells:
        counts = np.bincount(cells.ravel(), minlength=10)[1:]
        extremes = {each: _only(counts, each) for each in EXTREMES}
        colour = extremes[self.colour]
        if self.counted == "colours":
            length = int(np.count_nonzero(counts))
        elif self.counted == "cells":
            length = int(counts.sum())
        else:
            length = extremes[self.counted][1]
        if not colour[0] or not length:
            return cells
        shape = (self.thickness, length + self.more)
        return np.full(shape if self.lies else shape[::-1], colour[0], dtype=np.uint8)

    def holds(self, before: Cells, after: Cells) -> bool:
        flat = [colour for colour in before.ravel().tolist() if colour]
        ranked = sorted(set(flat), key=flat.count, reverse=self.colour == "most")
        drawn = [colour for colour in ranked if flat.count(colour) == flat.count(ranked[0])]
        numbers = sorted(map(flat.count, set(flat)))
        if self.counted in EXTREMES:
            at = -1 if self.counted == "most" else 0
            length = numbers[at] if numbers and numbers.count(numbers[at]) == 1 else 0
        else:
            length = len(flat) if self.counted == "cells" else len(numbers)
        if len(drawn) != 1 or not length:
            return np.array_equal(before, after)
        thick, long = after.shape if self.lies else after.shape[::-1]
        return (thick, long) == (self.thickness, length + self.more) and set(after.ravel().tolist()) == {
            drawn[0]
        }


def _only(counts: np.ndarray[tuple[int, ...], np.dtype[np.int64]], extreme: Extreme) -> tuple[int, int]:
    """The one colour with most or fewest cells, and how many; zeros where there are several or none."""
    present = counts[counts > 0]
    if not len(present):
        return 0, 0
    wanted = int(present.max() if extreme == "most" else present.min())
    places = np.flatnonzero(counts == wanted)
    return (int(places[0]) + 1, wanted) if len(places) == 1 else (0, 0)
