"""The objective of a search: how badly a decoder explains the demonstrations of views under moved latents.

Of a sample only the demonstrations are read, never the pair that is asked.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from backend.domain.experiment import GradientSearch, MovingSearch, RandomSearch
from worker.kit.batch import Batch
from worker.kit.stopping import Stop, go_on
from worker.models.context.deterministic import Pairs
from worker.models.layers import wide_dtype
from worker.models.reasoner import Encoded, Reasoner
from worker.search.moves import PERTURBATIONS, Losses, drawn
from worker.search.objective import pair_losses

CELLS_TOGETHER = 2**19  # of demonstrations that are asked in one pass, where several moves could be


class Demonstrations:
    """Losses of the demonstrations of B views, each asked under its latent plus the move of its view."""

    def __init__(
        self,
        reasoner: Reasoner,
        samples: Batch,
        search: MovingSearch,
        depth: int,
        start: Tensor | None,
        stop: Stop | None = None,
    ) -> None:
        """Asked for `depth` ACT steps. `start` (B, ...) takes the place of the encoder's latents, if given.

        `samples` show one demonstration at least, and their labels are blank. Whatever is asked is Stopped
        before its next pass where a stop is asked for: every step of a search takes one at least.
        """
        self._reasoner, self._search, self._depth, self._stop = reasoner, search, depth, stop
        self.pairs = Pairs.of(samples)
        self.owner = self.pairs.place // self.pairs.mask.shape[1]
        self.held_out = held_out(self.pairs.mask) & (search.selection == "held_out")
        self._samples = samples
        self._latents = [start[self.owner]] if start is not None else self._latents_to_ask_with()

    @property
    def together(self) -> int:
        """How many moves of each view are asked in one pass."""
        return max(1, CELLS_TOGETHER // max(1, self.pairs.inputs.numel()))

    def __call__(self, moves: Tensor) -> Losses:
        with torch.no_grad():
            parts = [self._losses(part) for part in torch.split(moves, self.together, dim=1)]
        return Losses(*(torch.cat(each, dim=1) for each in zip(*parts, strict=True)))

    def with_gradient(self, moves: Tensor) -> tuple[Losses, Tensor]:
        losses, gradients = [], []
        for part in torch.split(moves, self.together, dim=1):
            asked = part.detach().requires_grad_()
            with torch.enable_grad():
                found = self._losses(asked)
                (gradient,) = torch.autograd.grad(found.steering.sum(), asked)
            losses.append(Losses(*(each.detach() for each in found)))
            gradients.append(gradient)
        return Losses(*(torch.cat(each, dim=1) for each in zip(*losses, strict=True))), torch.cat(
            gradients, 1
        )

    def first_moves(self, still: Tensor, seeds: Sequence[int]) -> Tensor:
        """From the views' latents `still` (B, ...) to the starts (B, R, ...); the first does not move."""
        search, moves = self._search, [torch.zeros_like(still)]
        if isinstance(search, RandomSearch):  # it draws around the one start
            return torch.stack(moves, dim=1)
        moves += [
            search.perturbation * drawn(seeds, still, PERTURBATIONS + number)
            for number in range(1, search.starts)
        ]
        found = torch.stack(moves, dim=1)
        if search.starts > 1 and search.other_starts == "demonstrations":
            self._begin_at_single_demonstrations(found, still)
        return found

    def _begin_at_single_demonstrations(self, moves: Tensor, still: Tensor) -> None:
        """Start r at the latent of the r-th demonstration that is not held out, as far as there are any."""
        followed = self.pairs.mask & ~self.held_out
        order = (followed.cumsum(1) * followed).flatten()[self.pairs.place]  # (N,) 0: held out
        chosen = (order > 0) & (order < moves.shape[1])
        itself = _only(self.pairs)
        latent = self._encoded(itself)[-1]
        moves[self.owner[chosen], order[chosen]] = (latent - still[self.owner])[chosen]

    def _losses(self, moves: Tensor) -> Losses:
        """Of moves (B, c, ...) in one pass."""
        go_on(self._stop)
        count = moves.shape[1]
        each = moves[self.owner]  # (N, c, ...)
        contexts = [
            self._reasoner.context.expand((latent[:, None] + each).flatten(0, 1)) for latent in self._latents
        ]
        pairs = self.pairs._replace(
            inputs=self.pairs.inputs.repeat_interleave(count, 0),
            outputs=self.pairs.outputs.repeat_interleave(count, 0),
            place=self.pairs.place.repeat_interleave(count, 0),
        )
        whole = isinstance(self._search, GradientSearch) and self._search.gradient == "full"
        losses = pair_losses(self._reasoner, pairs, contexts, self._depth, whole)
        spread = self.pairs.spread(losses.view(-1, count))  # (B, K, c)
        followed, held = self.pairs.mask & ~self.held_out, self.held_out
        steering = (spread * followed[..., None]).sum(1) / followed.sum(1).clamp(min=1)[:, None]
        kept_out = (spread * held[..., None]).sum(1)
        return Losses(steering, kept_out.masked_fill(~held.any(1)[:, None], torch.nan))

    def _latents_to_ask_with(self) -> list[Tensor]:
        """By ACT step, the latent (N, ...) under which each demonstration is asked.

        Of its view's demonstrations, but for the held-out one, and but for itself where it is left out; of a
        lone one, that of itself.
        """
        pairs = self.pairs
        shown = (pairs.mask & ~self.held_out)[self.owner]
        if self._search.leave_one_out:
            others = shown & ~_only(pairs)
            shown = torch.where(others.any(1, keepdim=True), others, shown)
        return self._encoded(shown)

    def _encoded(self, shown: Tensor) -> list[Tensor]:
        """By ACT step, the latents (N, ...) of the views with other demonstrations shown (N, K)."""
        samples = self._samples.map(lambda rows: rows[self.owner])._replace(demo_mask=shown)
        return [latent_of(each) for each in self._reasoner.course(samples, self._depth)]


def latent_of(encoded: Encoded) -> Tensor:
    """What a search moves, in float32 at least."""
    latent = Reasoner.latent_of(encoded)
    return latent.to(wide_dtype(latent.dtype))


def held_out(mask: Tensor) -> Tensor:
    """The last of each row's demonstrations (B, K), if it has two or more."""
    last = (mask.cumsum(1) == mask.sum(1, keepdim=True)) & mask
    return last & (mask.sum(1, keepdim=True) > 1)


def _only(pairs: Pairs) -> Tensor:
    """For each demonstration (N, K) its own place."""
    found = torch.zeros(len(pairs.place), pairs.mask.shape[1], dtype=torch.bool, device=pairs.place.device)
    found[torch.arange(len(found), device=found.device), pairs.place % pairs.mask.shape[1]] = True
    return found
