"""Rules that recolour, and then may move: the kind of the control and of composed rules."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from worker.data.procedural.kinds import Draft, Pairs, random_input
from worker.data.procedural.operations import Fill, Operation, Recolour
from worker.data.procedural.rules import Rule
from worker.data.tokens import Cells

Moves = tuple[Operation, ...]
_STAND_IN = 10  # added to the colour of a fill, to tell its cells from those that were recoloured


@dataclass(frozen=True)
class Recolouring:
    """`colours` of the first `palette` colours get different images, then one of `moves` follows."""

    palette: int
    colours: int
    moves: tuple[Moves, ...]
    sides: tuple[int, int]
    density: float

    def draft(self, generator: np.random.Generator) -> Draft:
        palette = np.arange(1, self.palette + 1, dtype=np.uint8)
        colours = np.sort(generator.choice(palette, self.colours, replace=False)).tolist()
        images = generator.choice(palette, self.colours, replace=False).tolist()
        recolour = Recolour(tuple(zip(colours, images, strict=True)))
        moves = self.moves[int(generator.integers(len(self.moves)))]
        return Draft(Rule.of((recolour, *moves)), tuple(colours))

    def inputs(
        self, draft: Draft, demonstrations: int, tests: int, easier: bool, generator: np.random.Generator
    ) -> list[Cells]:
        """Easier: all demonstrations of a task show the same number of colours, together all."""
        order = generator.permutation(np.array(draft.colours, dtype=np.uint8))
        at_a_time = int(generator.integers(1, len(order) + 1)) if easier else len(order)
        draw = random_input(self.sides, self.density)
        return [
            draw(
                np.roll(order, -place)[: at_a_time if place < demonstrations else len(order)].tolist(),
                generator,
            )
            for place in range(demonstrations + tests)
        ]

    def is_determined(self, draft: Draft, shown: Pairs, asked: Pairs) -> bool:
        """Each choice of moves leaves at most one image for every colour that survives in a demonstration."""
        for moves in self.moves:
            images = self._images(moves, shown)
            if images is None:
                continue
            for before, after in asked:
                answer = _moved(moves, before)
                if answer.shape != after.shape or any(
                    images.get(colour) != image
                    for colour, image in zip(answer.ravel().tolist(), after.ravel().tolist(), strict=True)
                ):
                    return False
        return True

    def _images(self, moves: Moves, shown: Pairs) -> dict[int, int] | None:
        """The image of each colour if `moves` followed; None if no recolouring of the family explains all."""
        images = {0: 0}
        for before, after in shown:
            moved = _moved(moves, before)
            if moved.shape != after.shape or ((moved == 0) != (after == 0)).any():
                return None
            for colour, image in zip(moved.ravel().tolist(), after.ravel().tolist(), strict=True):
                expected = colour - _STAND_IN if colour > _STAND_IN else images.setdefault(colour, image)
                if expected != image:
                    return None
        recoloured = list(images.values())
        if len(set(recoloured)) < len(recoloured) or max(recoloured) > self.palette:
            return None
        return images | {each.colour + _STAND_IN: each.colour for each in moves if isinstance(each, Fill)}


def _moved(moves: Moves, cells: Cells) -> Cells:
    """What the moves make of the colours as they were; they commute with recolouring, but for a fill."""
    for each in moves:
        cells = (Fill(each.colour + _STAND_IN) if isinstance(each, Fill) else each).apply(cells)
    return cells
