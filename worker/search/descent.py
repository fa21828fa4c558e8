"""Gradient search: steps of an optimiser down the loss, for all starts of all views side by side."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from backend.domain.experiment import GradientSearch
from worker.search.moves import Objective, over
from worker.search.objective import unit
from worker.search.trail import Trail

BETA1, BETA2, EPSILON = 0.9, 0.9, 1e-8  # of Adam, as LPN sets them


def descend(
    search: GradientSearch, objective: Objective, first: Tensor, trail: Trail, seeds: Sequence[int]
) -> None:
    """Follow the gradient down the loss; only the moves have one. The last are asked without a way back."""
    moves, advance = first, Descent(search, first, trail)
    for step in range(trail.longest):
        losses, gradient = objective.with_gradient(moves)
        trail.note(step, moves, losses)
        if trail.over:
            return
        moves = advance(moves, gradient, step)
    trail.note(trail.longest, moves, objective(moves))


class Descent:
    """The optimiser of a search, with its moments and its schedule."""

    def __init__(self, search: GradientSearch, first: Tensor, trail: Trail) -> None:
        self._rate, self._cosine = search.learning_rate, search.schedule == "cosine"
        self._steps = trail.steps.clamp(min=1).double()
        self._direction: Callable[[Tensor, int], Tensor] = (
            Adam(first) if search.optimiser == "adam" else DIRECTIONS[search.optimiser]
        )

    def __call__(self, moves: Tensor, gradient: Tensor, step: int) -> Tensor:
        """Moves (B, C, ...) after step `step`, of which the first is 0."""
        return moves - over(self._rates(step), moves).to(moves.dtype) * self._direction(gradient, step)

    def _rates(self, step: int) -> Tensor:
        """The learning rate (B,) of each view; a cosine ends with the view's own last step."""
        rates = torch.full_like(self._steps, self._rate)
        if not self._cosine:
            return rates
        return rates * (1 + (math.pi * (step / self._steps).clamp(max=1)).cos()) / 2


class Adam:
    """Directions of Adam (Kingma and Ba 2015); moments start at zero for every move."""

    def __init__(self, like: Tensor) -> None:
        self._first, self._second = torch.zeros_like(like), torch.zeros_like(like)

    def __call__(self, gradient: Tensor, step: int) -> Tensor:
        self._first.lerp_(gradient, 1 - BETA1)
        self._second.lerp_(gradient.square(), 1 - BETA2)
        mean, variance = self._first / (1 - BETA1 ** (step + 1)), self._second / (1 - BETA2 ** (step + 1))
        return mean / (variance.sqrt() + EPSILON)


def _normalised(gradient: Tensor, step: int) -> Tensor:
    return unit(gradient.flatten(0, 1)).view_as(gradient)


DIRECTIONS: Mapping[str, Callable[[Tensor, int], Tensor]] = {
    "normalised": _normalised,
    "sign": lambda gradient, step: gradient.sign(),
    "sgd": lambda gradient, step: gradient,
}
