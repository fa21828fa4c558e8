"""What a search costs, in decodes: passes of one demonstration through the core, one for each ACT step."""

from __future__ import annotations

import math
from dataclasses import dataclass

from backend.domain.experiment.search.config import (
    EvolutionarySearch,
    GradientSearch,
    MovingSearch,
    RandomSearch,
)

WAY_BACK = 2  # cost of a backward pass, in forward passes


@dataclass(frozen=True)
class Cost:
    """Decodes of one view's search."""

    start: int  # the starts, asked once more or less than there are steps
    step: int  # each further step
    way_back: int  # the part of a step that a search which stops early has spent in vain

    def after(self, steps: int, early: bool = False) -> int:
        """Decodes of a search that took so many steps; `early` where its patience or its time ended it."""
        return self.start + steps * self.step + (self.way_back if early else 0)

    def affordable(self, most: int | None, wanted: int) -> int:
        """Steps that `most` decodes pay for, `wanted` at most; the start is asked whatever it costs."""
        if most is None or not self.step:
            return wanted
        return max(0, min(wanted, (most - self.start) // self.step))


def cost_of(search: MovingSearch, demonstrations: int, act_steps: int, numbers: int) -> Cost:
    """Of a view that shows so many demonstrations, in an evaluation of `act_steps`, with a latent of
    `numbers` numbers.
    """
    depth = search.act_steps or act_steps
    asked = demonstrations * depth
    if isinstance(search, RandomSearch):
        return Cost(asked, asked, 0)
    if isinstance(search, EvolutionarySearch):
        return Cost(search.starts * asked, search.starts * population_of(search, numbers) * asked, 0)
    steered = demonstrations - (search.selection == "held_out" and demonstrations > 1)
    way_back = search.starts * steered * WAY_BACK * (depth if search.gradient == "full" else 1)
    return Cost(search.starts * asked, search.starts * asked + way_back, way_back)


def population_of(search: EvolutionarySearch, numbers: int) -> int:
    """Latents in a generation: what the config says, or as many as is usual for such a latent."""
    return search.population or 4 + math.floor(3 * math.log(max(numbers, 1)))


def steps_of(search: MovingSearch) -> int:
    """Steps, generations or draws that are asked for."""
    if isinstance(search, GradientSearch):
        return search.steps
    return search.generations if isinstance(search, EvolutionarySearch) else search.samples
