"""The deterministic encoder: each demonstration becomes one vector, learned queries look at the set.

Two parts other encoders share: `PairEncoder` (one demonstration -> one vector) and `SetEncoder` (vectors
of the demonstrations -> context).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from backend.domain.experiment import CoreConfig, DeterministicEncoder
from worker.batch import PAD, VOCABULARY, Batch
from worker.models.context.source import ContextOutput, State
from worker.models.layers import (
    Block,
    CrossAttention,
    Linear,
    NormStyle,
    Residual,
    SwiGLU,
    TokenEmbedding,
    compute_dtype,
    embedding_scale,
    rms_norm,
    rope_table,
    truncated_normal,
)

QUERY_STD = 0.02


def encode_valid(encode: Callable[[Tensor, Tensor], Tensor], batch: Batch, width: int) -> Tensor:
    """Encodings (B, K, width) of the demonstrations, zero where there is none.

    Only valid ones are encoded, packed into one batch for `encode`: (N, S), (N, S) -> (N, width). The
    others would be multiplied by zero, so the result is the same and a batch with few demonstrations is
    cheap. Finding them waits for the device once per step.
    """
    size, most, _ = batch.demo_inputs.shape
    valid = batch.demo_mask.flatten().nonzero()[:, 0]
    if len(valid) == 0:
        return torch.zeros(size, most, width, device=valid.device, dtype=compute_dtype(valid.device))
    encoded = encode(batch.demo_inputs.flatten(0, 1)[valid], batch.demo_outputs.flatten(0, 1)[valid])
    return encoded.new_zeros(size * most, width).index_copy(0, valid, encoded).view(size, most, width)


class PairEmbedding(nn.Module):
    """Tokens of a pair (N, S), (N, S) -> (N, 2S, D): input and output have their own embeddings."""

    def __init__(self, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.scale = embedding_scale(width)
        self.input = TokenEmbedding(VOCABULARY, width, generator)
        self.output = TokenEmbedding(VOCABULARY, width, generator)

    def forward(self, inputs: Tensor, outputs: Tensor) -> Tensor:
        tokens = torch.cat((self.input(inputs), self.output(outputs)), dim=1)
        return tokens * self.scale


class MeanPool(nn.Module):
    """Mean of the tokens that are not padding: (N, L, D), (N, L) -> (N, D)."""

    def forward(self, hidden: Tensor, visible: Tensor) -> Tensor:
        weights = visible.to(hidden.dtype)[:, None]
        return (weights @ hidden)[:, 0] / weights.sum(-1).clamp(min=1)


class WeightedPool(nn.Module):
    """Mean under weights that are a softmax of one learned score per token."""

    def __init__(self, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.score = Linear(width, 1, generator)

    def forward(self, hidden: Tensor, visible: Tensor) -> Tensor:
        scores = self.score(hidden)[..., 0].masked_fill(~visible, float("-inf"))
        pooled: Tensor = scores.softmax(-1)[:, None].to(hidden.dtype) @ hidden
        return pooled[:, 0]


class AttentionPool(nn.Module):
    """One learned query looks at the tokens that are not padding."""

    def __init__(self, width: int, heads: int, generator: torch.Generator) -> None:
        super().__init__()
        self.query = nn.Parameter(truncated_normal((1, width), QUERY_STD, generator))
        self.attention = CrossAttention(width, heads, generator)

    def forward(self, hidden: Tensor, visible: Tensor) -> Tensor:
        query = self.query.to(hidden.dtype).expand(len(hidden), 1, -1)
        pooled: Tensor = self.attention(query, hidden, visible)
        return pooled[:, 0]


class PairEncoder(nn.Module):
    """One demonstration -> one vector: embed, read with blocks, pool, project. (N, S), (N, S) -> (N, D)."""

    def __init__(self, core: CoreConfig, config: DeterministicEncoder, generator: torch.Generator) -> None:
        super().__init__()
        self.head_width = core.width // core.heads
        self.embedding = PairEmbedding(core.width, generator)
        self.blocks = nn.ModuleList(
            Block(
                core.width,
                core.heads,
                core.expansion,
                generator,
                norm=config.norm,
                layer_scale=config.layer_scale,
            )
            for _ in range(config.layers)
        )
        self.pool = self._pool(core, config, generator)
        self.out = Linear(core.width, core.width, generator)

    @staticmethod
    def _pool(core: CoreConfig, config: DeterministicEncoder, generator: torch.Generator) -> nn.Module:
        if config.pooling == "attention":
            return AttentionPool(core.width, core.heads, generator)
        if config.pooling == "weighted":
            return WeightedPool(core.width, generator)
        return MeanPool()

    def forward(self, inputs: Tensor, outputs: Tensor) -> Tensor:
        hidden = self.embedding(inputs, outputs)
        rope = rope_table(hidden.shape[1], self.head_width, hidden.device)
        for block in self.blocks:
            hidden = block(hidden, rope)
        visible = torch.cat((inputs, outputs), dim=1) != PAD
        encoded: Tensor = self.out(self.pool(hidden, visible))
        return encoded


class SetLayer(nn.Module):
    """Queries (B, T, D) look at the demonstrations (B, K, D), then SwiGLU, each with its residual."""

    def __init__(
        self, core: CoreConfig, norm: NormStyle, layer_scale: float | None, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.attention = CrossAttention(core.width, core.heads, generator)
        self.mlp = SwiGLU(core.width, core.expansion, generator)
        self.attention_residual = Residual(core.width, norm, layer_scale)
        self.mlp_residual = Residual(core.width, norm, layer_scale)

    def forward(self, queries: Tensor, demonstrations: Tensor, mask: Tensor) -> Tensor:
        seen = self.attention(self.attention_residual.before(queries), demonstrations, mask)
        queries = self.attention_residual.after(queries, seen)
        return self.mlp_residual.after(queries, self.mlp(self.mlp_residual.before(queries)))


class SetEncoder(nn.Module):
    """Encodings (B, K, D) and their mask (B, K) -> context (B, T, D) of mean square 1."""

    def __init__(
        self,
        core: CoreConfig,
        layers: int,
        norm: NormStyle,
        layer_scale: float | None,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.queries = nn.Parameter(truncated_normal((core.context_tokens, core.width), QUERY_STD, generator))
        self.layers = nn.ModuleList(SetLayer(core, norm, layer_scale, generator) for _ in range(layers))

    def forward(self, demonstrations: Tensor, mask: Tensor) -> Tensor:
        context = self.queries.to(demonstrations.dtype).expand(len(demonstrations), -1, -1)
        for layer in self.layers:
            context = layer(context, demonstrations, mask)
        return rms_norm(context)


class DeterministicSource(nn.Module):
    """Demonstrations -> context, without a bottleneck and without a state."""

    def __init__(self, core: CoreConfig, config: DeterministicEncoder, generator: torch.Generator) -> None:
        super().__init__()
        self.width = core.width
        self.pairs = PairEncoder(core, config, generator)
        self.set = SetEncoder(core, config.set_layers, config.norm, config.layer_scale, generator)

    def start(self) -> State:
        return ()

    def forward(self, batch: Batch, state: State, generator: torch.Generator | None) -> ContextOutput:
        return ContextOutput(self.set(encode_valid(self.pairs, batch, self.width), batch.demo_mask))
