"""Optimisers: Adam-atan2 for the weights, sparse sign-SGD for the puzzle table, and their schedule.

Why not a library: docs/decisions/adam-atan2.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from backend.domain.experiment import ExperimentConfig, OptimisationConfig, TrmModel
from worker.models.context.puzzle_embedding import PuzzleEmbedding
from worker.models.reasoner import Reasoner

COSINE_FLOOR = 0.1  # share of the peak that a cosine schedule ends at


class AdamAtan2:
    """Adam whose step is an angle and so needs no epsilon (Everett et al. 2024, arXiv 2407.05872).

    As published for TRM: p <- p (1 - lr wd), then
    p <- p - lr / (1 - beta1^t) atan2(m, sqrt(v / (1 - beta2^t))) for first and second moments m and v.
    Parameters without a gradient are left alone, moments, decay and all.
    """

    def __init__(
        self,
        parameters: Iterable[tuple[str, nn.Parameter]],
        betas: tuple[float, float],
        weight_decay: float,
    ) -> None:
        self.names, self.parameters = zip(*parameters, strict=True)
        self.betas = betas
        self.weight_decay = weight_decay
        self.learning_rate = 0.0
        self.first = [torch.zeros_like(parameter) for parameter in self.parameters]
        self.second = [torch.zeros_like(parameter) for parameter in self.parameters]
        self.steps = [0] * len(self.parameters)

    @torch.no_grad()
    def step(self) -> None:
        """Move every parameter that has a gradient."""
        groups: dict[tuple[int, int], list[int]] = {}
        for i, parameter in enumerate(self.parameters):
            if parameter.grad is not None:
                self.steps[i] += 1
                # One group per step count; on a CPU one per tensor too, which then stays in the cache.
                groups.setdefault((self.steps[i], 0 if parameter.is_cuda else i), []).append(i)
        for (steps, _), members in groups.items():
            self._move(steps, members)

    def _move(self, steps: int, members: list[int]) -> None:
        parameters = [self.parameters[i] for i in members]
        gradients = [parameter.grad for parameter in parameters]
        first, second = [self.first[i] for i in members], [self.second[i] for i in members]
        beta1, beta2 = self.betas
        torch._foreach_mul_(parameters, 1 - self.learning_rate * self.weight_decay)
        torch._foreach_lerp_(first, gradients, 1 - beta1)
        torch._foreach_mul_(second, beta2)
        torch._foreach_addcmul_(second, gradients, gradients, 1 - beta2)
        angles = torch._foreach_sqrt(second)
        torch._foreach_div_(angles, math.sqrt(1 - beta2**steps))
        for moment, angle in zip(first, angles, strict=True):  # has no multi-tensor form
            torch.atan2(moment, angle, out=angle)
        torch._foreach_add_(parameters, angles, alpha=-self.learning_rate / (1 - beta1**steps))

    def state_dict(self) -> dict[str, Tensor]:
        """Moments by parameter name, and the steps taken per parameter."""
        state = {f"first.{name}": moment for name, moment in zip(self.names, self.first, strict=True)}
        state |= {f"second.{name}": moment for name, moment in zip(self.names, self.second, strict=True)}
        return state | {"steps": torch.tensor(self.steps)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a saved state; KeyError if it is of another model."""
        for i, name in enumerate(self.names):
            self.first[i].copy_(state[f"first.{name}"])
            self.second[i].copy_(state[f"second.{name}"])
        self.steps = [int(step) for step in state["steps"]]


class SignSgd:
    """Sign-SGD with decoupled decay on the rows of the puzzle table that the batch used, and no others.

    Adam on so sparse a gradient is nearly sign-SGD, and this needs no moments for a table of millions of
    rows. It keeps no state. Gradients of a row that occurs more than once in the batch are summed.
    """

    def __init__(self, embedding: PuzzleEmbedding, weight_decay: float) -> None:
        self.embedding = embedding
        self.weight_decay = weight_decay
        self.learning_rate = 0.0

    @torch.no_grad()
    def step(self) -> None:
        """Move the rows looked up by the last forward pass in training."""
        if self.embedding.used is None:
            return
        ids, rows = self.embedding.used
        if rows.grad is None:
            return
        # Each slot adds its gradient to the first slot with the same row; no wait for the device.
        first = (ids[:, None] == ids[None]).int().argmax(1)
        gradient = torch.zeros_like(rows).index_add_(0, first, rows.grad)[first]
        decayed = rows * (1 - self.learning_rate * self.weight_decay)
        self.embedding.table[ids] = decayed - self.learning_rate * gradient.sign()
        rows.grad = None


class Optimisers:
    """Everything that moves weights, under one schedule."""

    def __init__(
        self, adam: AdamAtan2, rows: SignSgd | None, rows_peak: float, config: OptimisationConfig, steps: int
    ) -> None:
        self.adam = adam
        self.rows = rows
        self.rows_peak = rows_peak
        self.config = config
        self.total_steps = steps

    def set_learning_rate(self, step: int) -> float:
        """Set every learning rate for the step after `step` finished ones; returns that of the weights."""
        share = schedule(step, self.total_steps, self.config)
        self.adam.learning_rate = self.config.learning_rate * share
        if self.rows is not None:
            self.rows.learning_rate = self.rows_peak * share
        return self.adam.learning_rate

    def step(self) -> None:
        """Apply the gradients."""
        self.adam.step()
        if self.rows is not None:
            self.rows.step()

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self.adam.parameters:
            parameter.grad = None

    def state_dict(self) -> dict[str, Tensor]:
        """Flat tensors, fit for a safetensors file; the puzzle table itself is a weight of the model."""
        return self.adam.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a saved state."""
        self.adam.load_state_dict(state)


def schedule(step: int, total_steps: int, config: OptimisationConfig) -> float:
    """Share of the peak learning rate after `step` finished steps: linear warm-up, then stay or cosine."""
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    if config.schedule == "constant":
        return 1.0
    progress = (step - config.warmup_steps) / max(1, total_steps - config.warmup_steps)
    return COSINE_FLOOR + (1 - COSINE_FLOOR) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def build_optimisers(reasoner: Reasoner, config: ExperimentConfig) -> Optimisers:
    """The optimisers of every weight of `reasoner`, at the settings of `config`."""
    settings = config.optimisation
    adam = AdamAtan2(reasoner.named_parameters(), (settings.beta1, settings.beta2), settings.weight_decay)
    rows, peak = None, 0.0
    if isinstance(reasoner.context, PuzzleEmbedding) and isinstance(config.model, TrmModel):
        rows = SignSgd(reasoner.context, config.model.embedding_weight_decay)
        peak = config.model.embedding_learning_rate
    return Optimisers(adam, rows, peak, settings, config.training.steps)
