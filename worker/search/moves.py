"""What a search does, apart from models: it asks moves (B, C, ...), C of each of B views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

PERTURBATIONS = 2**32  # where the numbers of draws for further starts begin


class Losses(NamedTuple):
    """How badly moves explain the demonstrations of their views, each (B, C) float64."""

    steering: Tensor  # mean over the demonstrations that the search follows
    held_out: Tensor  # of the one that it does not; NaN where none is held out

    @property
    def selecting(self) -> Tensor:
        """What decides which move is kept; infinite where it is not a number."""
        chosen = torch.where(self.held_out.isnan(), self.steering, self.held_out)
        return torch.where(chosen.isnan(), torch.inf, chosen)


class Objective(Protocol):
    """What a search minimises."""

    @property
    def together(self) -> int:
        """How many moves of each view are best asked at once."""
        ...

    def __call__(self, moves: Tensor) -> Losses:
        """Losses of moves (B, C, ...)."""
        ...

    def with_gradient(self, moves: Tensor) -> tuple[Losses, Tensor]:
        """The same, and the gradient (B, C, ...) of each steering loss by its own move."""
        ...


def drawn(seeds: Sequence[int], like: Tensor, number: int) -> Tensor:
    """Standard normal draws in the shape of `like` (B, ...), each row from its own seed."""
    rows = [
        np.random.Generator(np.random.Philox(key=[seed, number])).standard_normal(
            like.shape[1:], dtype=np.float32
        )
        for seed in seeds
    ]
    return torch.from_numpy(np.stack(rows)).to(like)


def over(rows: Tensor, like: Tensor) -> Tensor:
    """`rows` (B,) in a shape that meets `like` (B, ...)."""
    return rows.view(-1, *(1,) * (like.dim() - 1))
