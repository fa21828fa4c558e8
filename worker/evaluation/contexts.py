"""Contexts that take the place of those an encoder finds: nothing, or noise as large as what it finds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from worker.models.reasoner import Encoded


class Replacing(NamedTuple):
    """Zeros in place of every context, or with `seeds`, one per view, numbers drawn from a normal
    distribution: of the root mean square of the view's own context, the same at every ACT step.

    What is drawn depends on the view alone, not on its neighbours in a batch.
    """

    seeds: Sequence[int] | None = None

    def replaced(self, course: Sequence[Encoded]) -> tuple[Encoded, ...]:
        """The course of a batch with other contexts (B, T, D)."""
        if self.seeds is None:
            return tuple(step._replace(context=torch.zeros_like(step.context)) for step in course)
        drawn = torch.stack([_drawn(seed, course[0].context[0]) for seed in self.seeds])
        return tuple(step._replace(context=_as_large(drawn, step.context)) for step in course)


def _drawn(seed: int, like: Tensor) -> Tensor:
    """Numbers (T, D) on the processor, so that they are the same on every device."""
    generator = torch.Generator().manual_seed(seed % 2**63)
    return torch.randn(like.shape, generator=generator)


def _as_large(drawn: Tensor, context: Tensor) -> Tensor:
    """Noise (B, T, D) of mean square 1, scaled to that of each view's context."""
    size = context.float().square().mean(dim=(1, 2), keepdim=True).sqrt()
    return (drawn.to(context.device) * size).to(context.dtype)
