"""Optimisers: Adam-atan2 for the weights, sparse sign-SGD for the puzzle table, and their schedule.

Why not a library: docs/decisions/adam-atan2.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor, nn

from backend.domain.experiment import ExperimentConfig, OptimisationConfig, TrmModel
from worker.models.context.puzzle_embedding import PuzzleEmbedding
from worker.models.reasoner import Reasoner
from worker.training.ranks import ALONE, Ranks

COSINE_FLOOR = 0.1  # share of the peak that a cosine schedule ends at


class AdamAtan2:
    """Adam whose step is an angle and so needs no epsilon (Everett et al. 2024, arXiv 2407.05872).

    As published for TRM: p <- p (1 - lr wd), then
    p <- p - lr / (1 - beta1^t) atan2(m, sqrt(v / (1 - beta2^t))) for first and second moments m and v.
    Parameters without a gradient are left alone, moments, decay and all. Each has its `scale`: a factor on
    the learning rate. Moments are float32; weights of bf16 are rounded stochastically, since steps far
    smaller than their spacing would be lost otherwise.
    """

    def __init__(
        self,
        parameters: Iterable[tuple[str, nn.Parameter]],
        betas: tuple[float, float],
        weight_decay: float,
        scale: Callable[[str], float] = lambda name: 1.0,
    ) -> None:
        named = tuple(parameters)  # none where the rows of a puzzle table are all that learns
        self.names = tuple(name for name, _ in named)
        self.parameters = tuple(parameter for _, parameter in named)
        self.betas = betas
        self.weight_decay = weight_decay
        self.scales = [scale(name) for name in self.names]
        self.learning_rate = 0.0
        self.first = [torch.zeros_like(parameter, dtype=torch.float32) for parameter in self.parameters]
        self.second = [torch.zeros_like(parameter, dtype=torch.float32) for parameter in self.parameters]
        self.steps = [0] * len(self.parameters)

    @torch.no_grad()
    def step(self) -> None:
        """Move every parameter that has a gradient."""
        groups: dict[tuple[int, float, int], list[int]] = {}
        for i, parameter in enumerate(self.parameters):
            if parameter.grad is not None:
                self.steps[i] += 1
                # One group per step count and scale; on a CPU one per tensor, which then stays in the cache.
                key = self.steps[i], self.scales[i], 0 if parameter.is_cuda else i
                groups.setdefault(key, []).append(i)
        for (steps, scale, _), members in groups.items():
            self._move(steps, scale * self.learning_rate, members)

    def _move(self, steps: int, learning_rate: float, members: list[int]) -> None:
        parameters = [self.parameters[i] for i in members]
        weights: list[Tensor] = [parameter.float() for parameter in parameters]  # themselves, where float32
        gradients = [parameter.grad.float() for parameter in parameters if parameter.grad is not None]
        first, second = [self.first[i] for i in members], [self.second[i] for i in members]
        beta1, beta2 = self.betas
        torch._foreach_mul_(weights, 1 - learning_rate * self.weight_decay)
        torch._foreach_lerp_(first, gradients, 1 - beta1)
        torch._foreach_mul_(second, beta2)
        torch._foreach_addcmul_(second, gradients, gradients, 1 - beta2)
        angles = torch._foreach_sqrt(second)
        torch._foreach_div_(angles, math.sqrt(1 - beta2**steps))
        for moment, angle in zip(first, angles, strict=True):  # has no multi-tensor form
            torch.atan2(moment, angle, out=angle)
        torch._foreach_add_(weights, angles, alpha=-learning_rate / (1 - beta1**steps))
        for i, parameter, weight in zip(members, parameters, weights, strict=True):
            if parameter.dtype == torch.bfloat16:
                parameter.copy_(round_stochastically(weight, seed=(steps << 16) + i))

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


def round_stochastically(values: Tensor, seed: int) -> Tensor:
    """Float32 to bf16, up or down with the probability that keeps the mean; the same for the same seed."""
    generator = torch.Generator(values.device).manual_seed(seed)
    dropped = torch.randint(
        0, 1 << 16, values.shape, generator=generator, device=values.device, dtype=torch.int32
    )
    kept = (values.view(torch.int32) + dropped) & ~0xFFFF
    return kept.view(torch.float32).bfloat16()


class SignSgd:
    """Sign-SGD with decoupled decay on the rows of the puzzle table that the batch used, and no others.

    Adam on so sparse a gradient is nearly sign-SGD, and this needs no moments for a table of millions of
    rows. It keeps no state. Gradients of a row that occurs more than once in the batch are summed.
    """

    def __init__(self, embedding: PuzzleEmbedding, weight_decay: float, ranks: Ranks = ALONE) -> None:
        self.embedding = embedding
        self.weight_decay = weight_decay
        self.ranks = ranks
        self.learning_rate = 0.0

    @torch.no_grad()
    def step(self) -> None:
        """Move the rows that the passes since the last step looked up."""
        used = [(ids, rows) for ids, rows in self.embedding.take_used() if rows.grad is not None]
        if not used:
            return
        ids = self.ranks.gather(torch.cat([ids for ids, _ in used]))
        gradients = torch.cat([rows.grad for _, rows in used if rows.grad is not None])
        gradients = self.ranks.gather(gradients)
        # Each slot adds its gradient to the first slot with the same row; no wait for the device.
        first = (ids[:, None] == ids[None]).int().argmax(1)
        gradient = torch.zeros_like(gradients).index_add_(0, first, gradients)[first]
        decayed = self.embedding.table[ids] * (1 - self.learning_rate * self.weight_decay)
        self.embedding.table[ids] = decayed - self.learning_rate * gradient.sign()


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

    def begin(self, step: int) -> None:
        """Forget the gradients, and freeze or thaw for the step after `step` finished ones."""
        frozen = self.config.freeze if step < self.config.freeze_steps else "none"
        for name, parameter in zip(self.adam.names, self.adam.parameters, strict=True):
            parameter.grad = None
            parameter.requires_grad_(frozen == "none" or frozen != _part_of(name))

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


def build_optimisers(reasoner: Reasoner, config: ExperimentConfig, ranks: Ranks = ALONE) -> Optimisers:
    """The optimisers of every weight of `reasoner`, at the settings of `config`."""
    settings = config.optimisation
    encoder_pace = (settings.encoder_learning_rate or settings.learning_rate) / settings.learning_rate
    adam = AdamAtan2(
        reasoner.named_parameters(),
        (settings.beta1, settings.beta2),
        settings.weight_decay,
        lambda name: encoder_pace if _part_of(name) == "encoder" else 1.0,
    )
    rows, peak = None, 0.0
    if isinstance(reasoner.context, PuzzleEmbedding) and isinstance(config.model, TrmModel):
        rows = SignSgd(reasoner.context, config.model.embedding_weight_decay, ranks)
        peak = config.model.embedding_learning_rate
    return Optimisers(adam, rows, peak, settings, config.training.steps)


def _part_of(name: str) -> str:
    """What `optimisation.freeze` calls the part that a weight of the reasoner belongs to."""
    return "encoder" if name.startswith("context.") else "decoder"
