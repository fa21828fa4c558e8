"""Guided refinement of a batch of views at test time: the latent that best explains the demonstrations.

No test output is read: labels are blanked before anything else, and only demonstrations are asked. What is
found for a view does not depend on the other views of its batch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from backend.domain.experiment import (
    EvolutionarySearch,
    GradientSearch,
    MovingSearch,
    NoSearch,
    RandomSearch,
    SearchConfig,
)
from backend.domain.experiment.search import Cost, cost_of, steps_of
from worker.kit.batch import IGNORE, Batch
from worker.kit.stopping import Stop
from worker.models.reasoner import Encoded, Reasoner
from worker.search.demonstrations import Demonstrations, latent_of
from worker.search.descent import descend
from worker.search.draws import scatter
from worker.search.evolution import evolve
from worker.search.moves import Losses, drawn
from worker.search.trail import Clock, Limits, Moment, Trail

SEARCHES: Mapping[type[MovingSearch], Callable[..., None]] = {
    GradientSearch: descend,
    EvolutionarySearch: evolve,
    RandomSearch: scatter,
}


class Refined(NamedTuple):
    """The views, the moves that were found for their latents, and how they were found."""

    course: tuple[Encoded, ...]  # by ACT step, before any move; the last stays in force
    move: Tensor  # (B, ...) of the latents of every step
    moments: tuple[Moment, ...]
    kept: Tensor  # (B,) int64, the step whose move is returned
    taken: Tensor  # (B,) int64, steps taken
    won: Tensor  # (B,) int64, the start from which it came, 0 the first
    before: Losses  # each (B,): of the first start
    after: Losses  # each (B,): of the move that is returned
    decodes: Tensor  # (B,) int64, passes of a demonstration through the core; a way back counts as two more

    def moved(
        self, reasoner: Reasoner, move: Tensor | None = None, rows: Sequence[int] | None = None
    ) -> tuple[Encoded, ...]:
        """The views by ACT step under moves (B, ...), those returned by default; `rows` chooses some of them.

        A move of zero changes no number.
        """
        move = self.move if move is None else move
        course = self.course if rows is None else tuple(_some(each, rows) for each in self.course)
        move = move if rows is None else move[list(rows)]
        return tuple(reasoner.with_latent(each, latent_of(each) + move) for each in course)


def refine(
    reasoner: Reasoner,
    batch: Batch,
    search: SearchConfig,
    seeds: Sequence[int],
    act_steps: int,
    clock: Clock = time.monotonic,
    stop: Stop | None = None,
) -> Refined:
    """The views of a batch with latents moved to where the decoder explains their demonstrations best.

    The start is asked as well, so the result explains them no worse than the encoder's latents. The views are
    to be decoded for `act_steps`. `seeds` (B,) are those of random draws, one per view. A view without
    demonstrations keeps its start. Stopped where a stop is asked for between two steps.
    """
    # No inference tensors: a gradient passes what is made here.
    with torch.inference_mode(False), torch.no_grad():
        samples = batch.map(torch.clone)
        samples = samples._replace(labels=torch.full_like(samples.labels, IGNORE))
        course = reasoner.course(samples, act_steps)
        shown = samples.demo_mask.sum(1)
        latent = latent_of(course[-1])
        if isinstance(search, NoSearch) or not shown.any():
            return _unmoved(course, latent)
        start = None
        if search.start == "random":
            start = drawn(seeds, latent, 0)
            course = (reasoner.with_latent(course[0], start),)
        depth = search.act_steps or act_steps
        objective = Demonstrations(reasoner, samples, search, depth, start, stop)
        first = objective.first_moves(latent if start is None else start, seeds)
        costs = [cost_of(search, int(many), act_steps, first[0, 0].numel()) for many in shown]
        trail = Trail(first, _limits(search, costs, shown, clock))
        strategy: Any = SEARCHES[type(search)]
        strategy(search, objective, first, trail, seeds)
        return Refined(
            course=course,
            move=trail.best,
            moments=trail.moments,
            kept=trail.kept,
            taken=trail.taken,
            won=trail.won,
            before=trail.before,
            after=trail.after,
            decodes=_spent(costs, trail, shown),
        )


def _limits(search: MovingSearch, costs: Sequence[Cost], shown: Tensor, clock: Clock) -> Limits:
    steps = [cost.affordable(search.most_decodes, steps_of(search)) for cost in costs]
    return Limits(
        steps=torch.tensor(steps, device=shown.device),
        patience=search.patience,
        seconds=None if search.most_seconds is None else search.most_seconds * len(steps),
        clock=clock,
    )


def _spent(costs: Sequence[Cost], trail: Trail, shown: Tensor) -> Tensor:
    """Decodes (B,) of each view."""
    spent = [
        cost.after(taken, early)
        for cost, taken, early in zip(costs, trail.taken.tolist(), trail.early.tolist(), strict=True)
    ]
    return torch.tensor(spent, device=shown.device)


def _unmoved(course: tuple[Encoded, ...], latent: Tensor) -> Refined:
    nothing = torch.zeros(len(latent), dtype=torch.int64, device=latent.device)
    unknown = torch.full(nothing.shape, torch.nan, dtype=torch.float64, device=latent.device)
    losses = Losses(unknown, unknown)
    return Refined(course, torch.zeros_like(latent), (), nothing, nothing, nothing, losses, losses, nothing)


def _some(encoded: Encoded, rows: Sequence[int]) -> Encoded:
    """Some of the views."""
    chosen = list(rows)
    return encoded._replace(
        samples=encoded.samples.map(lambda tensor: tensor[chosen]),
        context=encoded.context[chosen],
        state=tuple(state[chosen] for state in encoded.state),
        encoded=encoded.encoded[chosen],
        latent=None if encoded.latent is None else encoded.latent[chosen],
    )
