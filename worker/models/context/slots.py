"""Slot attention over the demonstrations (Locatello et al. 2020, arXiv 2006.15055).

Here each context token is a slot. Slots start from learned vectors rather than from noise, since the core
tells context tokens apart by their place, and the same task should get the same context.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backend.domain.experiment import CoreConfig
from backend.domain.experiment.encoders.slots import SlotsEncoder
from worker.kit.batch import Batch
from worker.kit.noise import Noise
from worker.models.context.deterministic import PairReader, Pairs
from worker.models.context.source import ContextOutput, SourceModule, State, built_from
from worker.models.layers import Linear, SwiGLU, rms_norm, truncated_normal, wide_dtype

EPSILON = 1e-8  # keeps a slot that wins nothing from dividing by zero
MAX_SIDE = 30


class GatedUpdate(nn.Module):
    """One step of a gated recurrent unit (Cho et al. 2014): state, news (..., D) -> state."""

    def __init__(self, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.news = Linear(width, 3 * width, generator)
        self.state = Linear(width, 3 * width, generator, bias=True)

    def forward(self, state: Tensor, news: Tensor) -> Tensor:
        reset, keep, wish = self.news(news).chunk(3, dim=-1)
        old_reset, old_keep, old_wish = self.state(state).chunk(3, dim=-1)
        proposed = torch.tanh(wish + torch.sigmoid(reset + old_reset) * old_wish)
        return torch.lerp(proposed, state, torch.sigmoid(keep + old_keep))


class SlotAttention(nn.Module):
    """T slots (B, T, D) compete for the tokens of their task; shared weights in every round."""

    def __init__(self, core: CoreConfig, iterations: int, generator: torch.Generator) -> None:
        super().__init__()
        width = core.width
        self.iterations = iterations
        self.slots = nn.Parameter(truncated_normal((core.context_tokens, width), 1.0, generator))
        self.query, self.key, self.value = (Linear(width, width, generator) for _ in range(3))
        self.update = GatedUpdate(width, generator)
        self.mlp = SwiGLU(width, core.expansion, generator)

    def forward(self, tokens: Tensor, visible: Tensor, pairs: Pairs) -> Tensor:
        """Tokens (N, L, D) of packed demonstrations and which count (N, L) -> slots of mean square 1."""
        tokens = rms_norm(tokens)
        keys, values = self.key(tokens), self.value(tokens)
        slots = self.slots.to(tokens.dtype).expand(len(pairs.mask), -1, -1)
        for _ in range(self.iterations):
            slots = self.update(slots, self._read(slots, keys, values, visible, pairs))
            slots = slots + self.mlp(rms_norm(slots))
        return rms_norm(slots)

    def _read(self, slots: Tensor, keys: Tensor, values: Tensor, visible: Tensor, pairs: Pairs) -> Tensor:
        """What each slot wins (B, T, D): tokens are shared out among slots, then averaged per slot.

        Both sums run over a demonstration's tokens and then over the demonstrations, so packed ones never
        have to stand side by side.
        """
        owner = pairs.place // pairs.mask.shape[1]
        queries = self.query(rms_norm(slots))[owner]
        scores = queries @ keys.mT * keys.shape[-1] ** -0.5  # (N, T, L)
        wide = wide_dtype(scores.dtype)
        shares = scores.to(wide).softmax(1) * visible[:, None]
        won = pairs.spread((shares.to(values.dtype) @ values).to(wide)).sum(1)
        total = pairs.spread(shares.sum(-1)).sum(1)
        return (won / (total + EPSILON)[..., None]).to(slots.dtype)


@built_from(SlotsEncoder)
class SlotSource(SourceModule):
    """Demonstrations -> tokens with their places -> slots: the context."""

    def __init__(self, core: CoreConfig, config: SlotsEncoder, generator: torch.Generator) -> None:
        super().__init__()
        self.pairs = PairReader(core, config, generator)
        self.position = Linear(3, core.width, generator)
        self.attention = SlotAttention(core, config.iterations, generator)

    def forward(self, batch: Batch, state: State, noise: Noise | None) -> ContextOutput:
        pairs = Pairs.of(batch)
        tokens = self.pairs.read(pairs.inputs, pairs.outputs)
        tokens = tokens + self.position(_places(pairs.inputs).to(tokens.dtype))
        visible = self.pairs.visible(pairs.inputs, pairs.outputs)
        return ContextOutput(self.attention(tokens, visible, pairs))


def _places(canvas: Tensor) -> Tensor:
    """Row and column, -1 to 1 over the largest canvas, and side (-1 input, 1 output) of tokens (2S, 3)."""
    side = round(canvas.shape[1] ** 0.5)
    along = torch.arange(side, device=canvas.device) * (2 / (MAX_SIDE - 1)) - 1
    rows, columns = torch.meshgrid(along, along, indexing="ij")
    places = torch.stack((rows.flatten(), columns.flatten()), dim=-1)
    # Filled on the device: to send a number of the host's there would wait for it.
    return torch.cat([F.pad(places, (0, 1), value=side_of_pair) for side_of_pair in (-1.0, 1.0)])
