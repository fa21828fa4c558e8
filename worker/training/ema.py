"""A moving average of the weights, used for evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Ema:
    """shadow <- decay x shadow + (1 - decay) x weight, over every parameter, from the first weights on.

    Buffers are not averaged. The puzzle table of TRM is one: as published it is evaluated as it is, since
    a row moves only when its puzzle is in the batch and averaging millions of rows per step would cost
    more than the step.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = model
        self.decay = decay
        self.parameters = dict(model.named_parameters())
        self.shadow = {name: p.detach().float().clone() for name, p in self.parameters.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Take in the present weights."""
        if not self.shadow:
            return
        weights = [parameter.float() for parameter in self.parameters.values()]  # themselves, where float32
        torch._foreach_lerp_(list(self.shadow.values()), weights, 1 - self.decay)

    @contextmanager
    def swapped(self) -> Iterator[None]:
        """The model has the averaged weights inside this context and its own again afterwards."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for name, parameter in self.parameters.items():
            parameter.data, self.shadow[name] = self.shadow[name], parameter.data

    def state_dict(self) -> dict[str, Tensor]:
        """The averaged weights and the model's buffers: what an evaluation can load as a model's state."""
        return {**self.model.state_dict(), **self.shadow}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on from saved averages; KeyError if they are of another model."""
        for name, average in self.shadow.items():
            average.copy_(state[name])
