"""Guided refinement of a batch of views at test time: the latent that best explains the demonstrations.

No test output is read: labels are blanked before anything else, and only demonstrations are asked. What is
found for a view does not depend on the other views of its batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from backend.domain.experiment import GradientSearch, NoSearch, RandomSearch, SearchConfig
from worker.kit.batch import IGNORE, Batch
from worker.models.context.deterministic import Pairs
from worker.models.reasoner import Encoded, Reasoner
from worker.search.objective import mean_per_sample, pair_losses, unit

BETA1, BETA2, EPSILON = 0.9, 0.9, 1e-8  # of Adam, as LPN sets them
WAY_BACK = 2  # cost of a backward pass, in forward passes
TRACE_POINTS = 20  # recorded moments of a search, besides its start

Losses = Callable[[Tensor], Tensor]  # moves of the latents (B, ...) -> demonstration losses (B,) float64


class Moment(NamedTuple):
    """What a search had found after some steps."""

    step: int
    losses: Tensor  # (B,) demonstration losses of the latents asked at this step, float64
    distances: Tensor  # (B,) root mean square, per number, of their moves from the start
    best: Tensor  # (B, ...) the latents that a stop here would return


class Refined(NamedTuple):
    """The views under the latents that were found, and how they were found."""

    encoded: Encoded
    moments: tuple[Moment, ...]
    kept: Tensor  # (B,) int64, the step whose latent is returned
    decodes: Tensor  # (B,) int64, demonstrations decoded; a way back counts as two more

    def rows(self, reasoner: Reasoner, rows: Sequence[int], moment: Moment) -> Encoded:
        """Some of the views under the latents that a stop at `moment` would return."""
        chosen = list(rows)
        encoded = self.encoded._replace(
            samples=self.encoded.samples.map(lambda tensor: tensor[chosen]),
            context=self.encoded.context[chosen],
            state=tuple(state[chosen] for state in self.encoded.state),
            encoded=self.encoded.encoded[chosen],
        )
        return reasoner.with_latent(encoded, moment.best[chosen])


def refine(reasoner: Reasoner, batch: Batch, search: SearchConfig, seeds: Sequence[int]) -> Refined:
    """The views of a batch with latents moved to where the decoder explains their demonstrations best.

    The start is asked as well, so the result explains them no worse than the encoder's latents. `seeds` (B,)
    are those of random draws, one per view. A view without demonstrations keeps its start.
    """
    # No inference tensors: a gradient passes what is made here.
    with torch.inference_mode(False), torch.no_grad():
        samples = batch.map(torch.clone)
        samples = samples._replace(labels=torch.full_like(samples.labels, IGNORE))
        pairs = Pairs.of(samples)
        encoded = reasoner.encode(reasoner.initial_carry(samples), samples)
        latent = reasoner.latent_of(encoded).float()
        shown = pairs.mask.sum(1)
        if isinstance(search, NoSearch) or not len(pairs.place):
            nothing = torch.zeros_like(shown)
            return Refined(encoded, (), nothing, nothing)
        start = _drawn(seeds, latent, 0) if search.start == "random" else latent
        starts = start[_owner(pairs)]
        if search.leave_one_out and search.start == "encoder":
            starts = _latents_of_the_others(reasoner, samples, pairs)

        def losses(move: Tensor) -> Tensor:
            contexts = reasoner.with_latent(encoded, starts + move[_owner(pairs)]).context
            return mean_per_sample(pairs, pair_losses(reasoner, pairs, contexts))

        if isinstance(search, GradientSearch):
            cost, wanted = 1 + WAY_BACK, search.steps
        else:
            cost, wanted = 1, search.samples
        steps = _affordable(search.most_decodes, shown, cost, wanted)
        trail = _Trail(start, steps)
        if isinstance(search, GradientSearch):
            _climb(search, losses, trail)
        else:
            _scatter(search, losses, trail, seeds)
        return Refined(
            encoded=reasoner.with_latent(encoded, trail.best),
            moments=tuple(trail.moments),
            kept=trail.kept,
            decodes=shown * (1 + cost * steps),
        )


class _Trail:
    """The best latent of each view so far, and the moments that are recorded."""

    def __init__(self, start: Tensor, steps: Tensor) -> None:
        self.start = start  # (B, ...)
        self.steps = steps  # (B,) int64, how many each view may take
        self.longest = int(steps.max())
        self.best = start
        self.kept = torch.zeros_like(steps)
        self.moments: list[Moment] = []
        self._least = torch.full(steps.shape, torch.inf, dtype=torch.float64, device=steps.device)
        self._recorded = set(np.linspace(0, self.longest, TRACE_POINTS + 1).round().astype(int).tolist())

    def note(self, step: int, move: Tensor, losses: Tensor) -> None:
        """Take in what was asked at `step`. Views that may take no such step, or have no loss, stay."""
        better = (losses < self._least) & (step <= self.steps)
        self._least = torch.where(better, losses, self._least)
        self.kept = torch.where(better, step, self.kept)
        self.best = torch.where(_over(better, move), self.start + move, self.best)
        if step in self._recorded:
            distances = move.flatten(1).square().mean(1).sqrt()
            self.moments.append(Moment(step, losses, distances, self.best))


def _climb(search: GradientSearch, losses: Losses, trail: _Trail) -> None:
    """Follow the gradient down the loss; only the move has one."""
    move = torch.zeros_like(trail.start)
    first, second = torch.zeros_like(move), torch.zeros_like(move)
    for step in range(trail.longest):
        asked = move.requires_grad_()
        with torch.enable_grad():
            found = losses(asked)
            (gradient,) = torch.autograd.grad(found.sum(), asked)
        move = asked.detach()
        trail.note(step, move, found.detach())
        if search.optimiser == "normalised":
            move = move - search.learning_rate * unit(gradient)
            continue
        first.lerp_(gradient, 1 - BETA1)
        second.lerp_(gradient.square(), 1 - BETA2)
        mean, variance = first / (1 - BETA1 ** (step + 1)), second / (1 - BETA2 ** (step + 1))
        move = move - search.learning_rate * mean / (variance.sqrt() + EPSILON)
    trail.note(trail.longest, move, losses(move))


def _scatter(search: RandomSearch, losses: Losses, trail: _Trail, seeds: Sequence[int]) -> None:
    """Draw around the start."""
    still = torch.zeros_like(trail.start)
    trail.note(0, still, losses(still))
    for step in range(1, trail.longest + 1):
        move = search.scale * _drawn(seeds, trail.start, step)
        trail.note(step, move, losses(move))


def _affordable(most: int | None, shown: Tensor, cost: int, wanted: int) -> Tensor:
    """Steps (B,) of views with `shown` (B,) demonstrations; their start is asked whatever it costs."""
    if most is None:
        return torch.full_like(shown, wanted)
    return ((most // shown.clamp(min=1) - 1) // cost).clamp(min=0, max=wanted)


def _latents_of_the_others(reasoner: Reasoner, batch: Batch, pairs: Pairs) -> Tensor:
    """For each demonstration (N,) the latent of its task without it; of a lone one, that of itself."""
    samples = batch.map(lambda rows: rows[_owner(pairs)])
    alone = samples.demo_mask.sum(1, keepdim=True) == 1
    itself = torch.zeros_like(samples.demo_mask)
    itself[torch.arange(len(itself)), pairs.place % pairs.mask.shape[1]] = True
    samples = samples._replace(demo_mask=samples.demo_mask & (alone | ~itself))
    return reasoner.latent_of(reasoner.encode(reasoner.initial_carry(samples), samples)).float()


def _owner(pairs: Pairs) -> Tensor:
    """The row of the batch that each demonstration (N,) belongs to."""
    return pairs.place // pairs.mask.shape[1]


def _over(rows: Tensor, like: Tensor) -> Tensor:
    """`rows` (B,) in a shape that meets `like` (B, ...)."""
    return rows.view(-1, *(1,) * (like.dim() - 1))


def _drawn(seeds: Sequence[int], like: Tensor, number: int) -> Tensor:
    """Standard normal draws in the shape of `like` (B, ...), each row from its own seed."""
    rows = [
        np.random.Generator(np.random.Philox(key=[seed, number])).standard_normal(
            like.shape[1:], dtype=np.float32
        )
        for seed in seeds
    ]
    return torch.from_numpy(np.stack(rows)).to(like.device)
