"""The recursion of TRM and its carried states: the only copy (arXiv 2510.04871, figure 3)."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor, nn

from backend.domain.experiment import CoreConfig
from worker.kit.batch import VOCABULARY, Region
from worker.models.layers import (
    Block,
    Rope,
    TokenEmbedding,
    cast_once,
    compute_dtype,
    embedding_scale,
    rope_table,
    truncated_normal,
    wide_dtype,
)


class States(NamedTuple):
    """What the recursion refines: the answer y (published z_H) and the scratch z (z_L), each (B, L, D)."""

    y: Tensor
    z: Tensor

    def detach(self) -> States:
        return States(self.y.detach(), self.z.detach())

    def reset(self, where: Tensor, start: States) -> States:
        """`start` (broadcast over the batch) in the slots where `where` (B,) is True, else these."""
        slots = where[:, None, None]
        return States(torch.where(slots, start.y, self.y), torch.where(slots, start.z, self.z))


class Recursion(nn.Module):
    """h_cycles times: l_cycles times z <- f(z + y + x), then y <- f(y + z). The last cycle has gradient;
    all have where `whole_gradient` asks for it.
    """

    def __init__(self, blocks: list[Block], h_cycles: int, l_cycles: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.h_cycles = h_cycles
        self.l_cycles = l_cycles

    def forward(self, states: States, x: Tensor, rope: Rope, whole_gradient: bool = False) -> States:
        """States after one ACT step on input x (B, L, D)."""
        with cast_once(self.blocks, x.dtype):
            with torch.set_grad_enabled(whole_gradient and torch.is_grad_enabled()):
                for _ in range(self.h_cycles - 1):
                    states = self._cycle(states, x, rope)
            return self._cycle(states, x, rope)

    def _cycle(self, states: States, x: Tensor, rope: Rope) -> States:
        y, z = states
        injected = y + x
        for _ in range(self.l_cycles):
            z = self._f(z + injected, rope)
        return States(self._f(y + z, rope), z)

    def _f(self, hidden: Tensor, rope: Rope) -> Tensor:
        for block in self.blocks:
            hidden = block(hidden, rope)
        return hidden


class Core(nn.Module):
    """Tokens (B, S) and context (B, T, D) refine the states over T + S positions."""

    y_start: Tensor  # (D,)
    z_start: Tensor  # (D,)

    def __init__(self, config: CoreConfig, generator: torch.Generator) -> None:
        super().__init__()
        self.width = config.width
        self.head_width = config.width // config.heads
        self.context_tokens = config.context_tokens
        self.embedding = TokenEmbedding(VOCABULARY, config.width, generator)
        blocks = [
            Block(config.width, config.heads, config.expansion, generator) for _ in range(config.layers)
        ]
        self.recursion = Recursion(blocks, config.h_cycles, config.l_cycles)
        self.register_buffer("y_start", truncated_normal((config.width,), 1.0, generator))
        self.register_buffer("z_start", truncated_normal((config.width,), 1.0, generator))

    def start(self, dtype: torch.dtype) -> States:
        """The fixed states a fresh sample starts from, (1, 1, D)."""
        return States(self.y_start.to(dtype)[None, None], self.z_start.to(dtype)[None, None])

    def empty_states(self, batch_size: int, cells: int) -> States:
        """Placeholder states (B, T + S, D) for a carry whose slots are all halted."""
        shape = (batch_size, self.context_tokens + cells, self.width)
        dtype = compute_dtype(self.y_start)
        return States(*(state.expand(shape) for state in self.start(dtype)))

    def forward(
        self,
        states: States,
        fresh: Tensor,
        tokens: Tensor,
        context: Tensor,
        region: Region | None = None,
        whole_gradient: bool = False,
    ) -> States:
        """States (B, T + S, D) after one ACT step; slots where `fresh` (B,) is True start afresh.

        `tokens` (B, S) are those of a whole canvas, or of a `region` of one.
        """
        dtype = compute_dtype(self.y_start)
        states = States(*(state.to(dtype) for state in states)).reset(fresh, self.start(dtype))
        x = torch.cat((context.to(dtype), self.embedding(tokens)), dim=1) * embedding_scale(self.width)
        rope = (
            rope_table(x.shape[1], self.head_width, x.device, dtype=wide_dtype(dtype))
            if region is None
            else _rope_of(region, self.context_tokens, self.head_width, x.device, wide_dtype(dtype))
        )
        refined: States = self.recursion(states, x, rope, whole_gradient)
        return refined


@lru_cache(maxsize=64)
def _rope_of(
    region: Region, context_tokens: int, head_width: int, device: torch.device, dtype: torch.dtype
) -> Rope:
    """Of the context and of a region's cells, each at the position it has with the whole canvas."""
    whole = rope_table(context_tokens + region.side**2, head_width, device, dtype=dtype)
    with torch.inference_mode(False):  # a search takes gradients through what an evaluation made
        context = torch.arange(context_tokens, device=device)
        kept = torch.cat((context, context_tokens + region.places(device)))
        return whole[0][kept], whole[1][kept]
