"""The iterative encoder: its own H/L recursion over the demonstrations, carried over the ACT steps."""

from __future__ import annotations

import torch
from torch import Tensor

from backend.domain.experiment import CoreConfig
from backend.domain.experiment.encoders.iterative import IterativeEncoder
from worker.kit.batch import Batch
from worker.kit.noise import Noise
from worker.models.context.deterministic import DemonstrationSource, PairEncoder
from worker.models.context.source import ContextOutput, State, built_from
from worker.models.core import Recursion, States
from worker.models.layers import Block, rope_table, truncated_normal, wide_dtype

INERTIA = 0.9  # share of the old state that stays, per ACT step


@built_from(IterativeEncoder)
class IterativeSource(DemonstrationSource):
    """Mean encoding of the demonstrations -> refines states (B, T, D) -> context: the new y.

    new = 0.9 old + 0.1 refined. The states are carried without gradient; the context has it through the
    refined part, unless `detach_context` cuts it as the published code did.
    """

    y_start: Tensor  # (T, D)
    z_start: Tensor  # (T, D)

    def __init__(self, core: CoreConfig, config: IterativeEncoder, generator: torch.Generator) -> None:
        super().__init__(PairEncoder(core, config, generator), core.width)
        self.head_width = core.width // core.heads
        self.detach_context = config.detach_context
        blocks = [
            Block(core.width, core.heads, core.expansion, generator) for _ in range(config.refine_layers)
        ]
        self.recursion = Recursion(blocks, config.refine_h_cycles, config.refine_l_cycles)
        shape = (core.context_tokens, core.width)
        self.register_buffer("y_start", truncated_normal(shape, 1.0, generator))
        self.register_buffer("z_start", truncated_normal(shape, 1.0, generator))

    def start(self) -> State:
        return self.y_start[None], self.z_start[None]

    def forward(self, batch: Batch, state: State, noise: Noise | None) -> ContextOutput:
        encodings = self.encode(batch)
        valid = batch.demo_mask.sum(-1).clamp(min=1)[:, None, None]
        seen = (encodings.sum(1, keepdim=True) / valid).expand_as(state[0])
        old = States(*state)
        rope = rope_table(seen.shape[1], self.head_width, seen.device, dtype=wide_dtype(seen.dtype))
        refined = self.recursion(States(*(s.to(seen.dtype) for s in old)), seen.to(encodings.dtype), rope)
        new = States(*(INERTIA * o + (1 - INERTIA) * r for o, r in zip(old, refined, strict=True)))
        kept = new.detach()
        return ContextOutput(kept.y if self.detach_context else new.y, tuple(kept))
