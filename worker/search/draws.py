"""Random search: draws around the start, none of which depends on what the others found."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from backend.domain.experiment import RandomSearch
from worker.search.moves import Losses, Objective, drawn
from worker.search.trail import Trail


def scatter(
    search: RandomSearch, objective: Objective, first: Tensor, trail: Trail, seeds: Sequence[int]
) -> None:
    """Ask the start, then one draw of each view a step, several steps in one pass."""
    trail.note(0, first, objective(first))
    step = 1
    while step <= trail.longest and not trail.over:
        number = min(max(1, objective.together), trail.longest - step + 1)
        moves = torch.stack(
            [search.scale * drawn(seeds, first[:, 0], step + each) for each in range(number)], dim=1
        )
        losses = objective(moves)
        for each in range(number):
            one = slice(each, each + 1)
            trail.note(step + each, moves[:, one], Losses(*(loss[:, one] for loss in losses)))
            if trail.over:
                return
        step += number
