"""A step that decides: one of two operations, by a property of the input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from worker.data.procedural.operations import Operation
from worker.data.tokens import Cells

Kind = Literal["odd", "many", "has"]
MANY = 3  # colours


@dataclass(frozen=True)
class Property:
    """What a grid may have: an odd number of coloured cells, three colours or more, a given colour.

    No symmetry of the square changes it.
    """

    kind: Kind
    colour: int = 0  # of "has"

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.colour}" if self.kind == "has" else self.kind

    def of(self, cells: Cells) -> bool:
        """Whether the grid has it."""
        if self.kind == "has":
            return bool((cells == self.colour).any())
        if self.kind == "odd":
            return bool(np.count_nonzero(cells) % 2)
        return int(np.count_nonzero(np.bincount(cells.ravel(), minlength=10)[1:])) >= MANY


@dataclass(frozen=True)
class Choice(Operation):
    """`then` for an input that has the property, `otherwise` for others."""

    asks: Property
    then: Operation
    otherwise: Operation

    @property
    def name(self) -> str:
        return f"if-{self.asks.name}-{self.then.name}-else-{self.otherwise.name}"

    @property
    def colours(self) -> tuple[int, ...]:
        named = (self.asks.colour,) if self.asks.kind == "has" else ()
        return (*named, *self.then.colours, *self.otherwise.colours)

    def recoloured(self, colours: Mapping[int, int]) -> Choice:
        asked = self.asks
        if asked.kind == "has":
            asked = replace(asked, colour=colours[asked.colour])
        return Choice(asked, self.then.recoloured(colours), self.otherwise.recoloured(colours))

    def turned(self, dihedral: int) -> Choice:
        return Choice(self.asks, self.then.turned(dihedral), self.otherwise.turned(dihedral))

    def apply(self, cells: Cells) -> Cells:
        return (self.then if self.asks.of(cells) else self.otherwise).apply(cells)

    def holds(self, before: Cells, after: Cells) -> bool:
        coloured = [colour for colour in before.ravel().tolist() if colour]
        has = {
            "has": self.asks.colour in coloured,
            "odd": len(coloured) % 2 == 1,
            "many": len(set(coloured)) >= MANY,
        }[self.asks.kind]
        return (self.then if has else self.otherwise).holds(before, after)
