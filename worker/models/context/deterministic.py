"""The deterministic encoder: each demonstration becomes one vector, learned queries look at the set.

Parts other encoders share: `Pairs` (the demonstrations there are, packed), `PairReader` (one demonstration
-> its tokens), `PairEncoder` (-> one vector) and `SetEncoder` (vectors of the demonstrations -> context).
"""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from backend.domain.experiment import CoreConfig
from backend.domain.experiment.encoders.deterministic import DeterministicEncoder
from worker.kit.batch import PAD, VOCABULARY, Batch, Region
from worker.kit.noise import Noise
from worker.models.context.source import ContextOutput, SourceModule, State, built_from
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
    wide_dtype,
)

QUERY_STD = 0.02


class ReaderConfig(Protocol):
    """The settings of an encoder that reads demonstrations cell by cell."""

    @property
    def layers(self) -> int: ...
    @property
    def norm(self) -> NormStyle: ...
    @property
    def layer_scale(self) -> float | None: ...


class PairConfig(ReaderConfig, Protocol):
    """The same where a demonstration becomes one vector."""

    @property
    def pooling(self) -> Literal["mean", "attention", "weighted"]: ...


class Pairs(NamedTuple):
    """The N demonstrations that a batch really has, packed into one batch of their own."""

    inputs: Tensor  # (N, S)
    outputs: Tensor  # (N, S)
    place: Tensor  # (N,) of the B x K places of the batch
    mask: Tensor  # (B, K) bool, the places taken
    region: Region | None = None  # of the canvas, that the core would work on if it were asked one of them

    @classmethod
    def of(cls, batch: Batch) -> Pairs:
        """Waits for the device once where the batch does not say where they lie."""
        place = batch.places
        if place is None:
            place = batch.demo_mask.flatten().nonzero()[:, 0]
        return cls(
            batch.demo_inputs.flatten(0, 1)[place],
            batch.demo_outputs.flatten(0, 1)[place],
            place,
            batch.demo_mask,
            batch.region,
        )

    def spread(self, values: Tensor) -> Tensor:
        """What was computed of each (N, ...), back in its place (B, K, ...); zero where there is none."""
        places = values.new_zeros(self.mask.numel(), *values.shape[1:])
        return places.index_copy(0, self.place, values).view(*self.mask.shape, *values.shape[1:])


class DemonstrationSource(SourceModule):
    """A context source that first encodes each demonstration on its own, with `pairs`.

    Only valid demonstrations are encoded, packed into one batch: the places of missing ones would come
    to zero anyway, so a batch with few demonstrations is cheap. `pack = False` encodes the empty places
    too and zeroes them, as published; the numbers differ by rounding only, which the recursion amplifies.
    """

    def __init__(self, pairs: nn.Module, width: int) -> None:
        super().__init__()
        self.pairs = pairs
        self.width = width
        self.pack = True

    def encode(self, batch: Batch) -> Tensor:
        """Encodings (B, K, width) of the demonstrations, zero where there is none."""
        if not self.pack:
            inputs, outputs = batch.demo_inputs.flatten(0, 1), batch.demo_outputs.flatten(0, 1)
            encoded: Tensor = self.pairs(inputs, outputs).view(*batch.demo_mask.shape, self.width)
            return encoded * batch.demo_mask[..., None]
        pairs = Pairs.of(batch)
        if not len(pairs.place):
            shape = (*batch.demo_mask.shape, self.width)
            return batch.demo_mask.new_zeros(shape, dtype=compute_dtype(next(self.parameters())))
        return pairs.spread(self.pairs(pairs.inputs, pairs.outputs))


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
        weights = visible.to(hidden.dtype)[..., None]
        return (hidden * weights).sum(1) / weights.sum(1).clamp(min=1)


class WeightedPool(nn.Module):
    """Mean under weights that are a softmax of one learned score per token."""

    def __init__(self, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.score = Linear(width, 1, generator)

    def forward(self, hidden: Tensor, visible: Tensor) -> Tensor:
        hidden_from = ~visible & visible.any(-1, keepdim=True)  # a pair of padding alone must not give NaN
        scores = self.score(hidden)[..., 0].masked_fill(hidden_from, float("-inf"))
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


class PairReader(nn.Module):
    """One demonstration -> its tokens: embed, read with blocks. (N, S), (N, S) -> (N, 2S, D)."""

    def __init__(self, core: CoreConfig, config: ReaderConfig, generator: torch.Generator) -> None:
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

    def read(self, inputs: Tensor, outputs: Tensor) -> Tensor:
        """The tokens of input and output after every block."""
        hidden: Tensor = self.embedding(inputs, outputs)
        rope = rope_table(hidden.shape[1], self.head_width, hidden.device, dtype=wide_dtype(hidden.dtype))
        for block in self.blocks:
            hidden = block(hidden, rope)
        return hidden

    @staticmethod
    def visible(inputs: Tensor, outputs: Tensor) -> Tensor:
        """Which tokens (N, 2S) are not padding."""
        return torch.cat((inputs, outputs), dim=1) != PAD


class PairEncoder(PairReader):
    """One demonstration -> one vector: read, pool, project. (N, S), (N, S) -> (N, D)."""

    def __init__(self, core: CoreConfig, config: PairConfig, generator: torch.Generator) -> None:
        super().__init__(core, config, generator)
        self.pool = self._pool(core, config, generator)
        self.out = Linear(core.width, core.width, generator)

    @staticmethod
    def _pool(core: CoreConfig, config: PairConfig, generator: torch.Generator) -> nn.Module:
        if config.pooling == "attention":
            return AttentionPool(core.width, core.heads, generator)
        if config.pooling == "weighted":
            return WeightedPool(core.width, generator)
        return MeanPool()

    def forward(self, inputs: Tensor, outputs: Tensor) -> Tensor:
        pooled = self.pool(self.read(inputs, outputs), self.visible(inputs, outputs))
        encoded: Tensor = self.out(pooled)
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


@built_from(DeterministicEncoder)
class DeterministicSource(DemonstrationSource):
    """Demonstrations -> context, without a bottleneck and without a state."""

    def __init__(self, core: CoreConfig, config: DeterministicEncoder, generator: torch.Generator) -> None:
        super().__init__(PairEncoder(core, config, generator), core.width)
        self.set = SetEncoder(core, config.set_layers, config.norm, config.layer_scale, generator)

    def forward(self, batch: Batch, state: State, noise: Noise | None) -> ContextOutput:
        return ContextOutput(self.set(self.encode(batch), batch.demo_mask))
