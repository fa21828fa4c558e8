"""Evolutionary search: CMA-ES around every start of every view, all of a generation asked in one pass.

The optimiser is that of the `cmaes` library (Nomura and Shibata 2024, arXiv 2402.01373).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from cmaes import CMA, SepCMA
from torch import Tensor

from backend.domain.experiment import EvolutionarySearch
from backend.domain.experiment.search import population_of
from worker.search.moves import Objective
from worker.search.trail import Trail

FULL_COVARIANCE = 128  # numbers of a latent; its square is kept, and decomposed in every generation
WORST = 1e30  # told of a loss that is not a number


def evolve(
    search: EvolutionarySearch, objective: Objective, first: Tensor, trail: Trail, seeds: Sequence[int]
) -> None:
    """Ask the starts, then a generation a step. A scale of zero asks the starts alone."""
    trail.note(0, first, objective(first))
    if not search.scale:
        return
    strategies = [
        _strategy(search, start, seed, number)
        for starts, seed in zip(first.flatten(2).double().cpu().numpy(), seeds, strict=True)
        for number, start in enumerate(starts)
    ]
    for step in range(1, trail.longest + 1):
        if trail.over:
            return
        asked = np.stack([[each.ask() for _ in range(each.population_size)] for each in strategies])
        moves = torch.from_numpy(asked).to(first).view(len(first), -1, *first.shape[2:])
        losses = objective(moves)
        trail.note(step, moves, losses)
        told = losses.steering.nan_to_num(WORST, WORST).view(len(strategies), -1).tolist()
        for strategy, points, values in zip(strategies, asked, told, strict=True):
            strategy.tell(list(zip(points, values, strict=True)))


def _strategy(search: EvolutionarySearch, start: np.ndarray, seed: int, number: int) -> CMA | SepCMA:
    """A diagonal covariance where the full one would be too large (Ros and Hansen 2008)."""
    kind = CMA if len(start) <= FULL_COVARIANCE else SepCMA
    return kind(
        mean=start.copy(),  # it is changed in place
        sigma=search.scale,
        seed=int(np.random.SeedSequence([seed, number]).generate_state(1)[0]),
        population_size=population_of(search, len(start)),
    )
