"""Per-demonstration VAE after LPN (arXiv 2411.08706): one latent per demonstration, then their mean."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backend.domain.experiment import CoreConfig
from backend.domain.experiment.encoders.per_demo import PerDemoEncoder
from worker.kit.batch import VOCABULARY, Batch
from worker.kit.noise import Noise
from worker.models.context.deterministic import DemonstrationSource
from worker.models.context.source import ContextOutput, Penalty, State, built_from
from worker.models.context.variational import CLS_STD, Gaussian, kl_divergence, sample
from worker.models.layers import NORM_EPSILON, Linear, SelfAttention, compute_dtype, truncated_normal

HEADS = 8
EXPANSION = 4
EMBEDDING_STD = 0.02
MAX_SIDE = 30


def plain_linear(inputs: int, outputs: int, generator: torch.Generator) -> Linear:
    """A linear map without bias drawn uniformly within 1/sqrt(inputs), as this encoder was published."""
    linear = Linear(inputs, outputs, generator)
    nn.init.uniform_(linear.weight, -(inputs**-0.5), inputs**-0.5, generator=generator)
    return linear


def layer_norm(x: Tensor) -> Tensor:
    """LayerNorm without weights over the last axis."""
    return F.layer_norm(x, (x.shape[-1],), eps=NORM_EPSILON).to(x.dtype)


class SiluBlock(nn.Module):
    """Pre-norm self-attention without positions, then a SiLU layer, each added to x (N, L, width)."""

    def __init__(self, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.attention = SelfAttention(width, HEADS, generator)
        self.attention.qkv = plain_linear(width, 3 * width, generator)
        self.attention.out = plain_linear(width, width, generator)
        self.up = plain_linear(width, EXPANSION * width, generator)
        self.down = plain_linear(EXPANSION * width, width, generator)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(layer_norm(x), None)
        out: Tensor = x + self.down(F.silu(self.up(layer_norm(x))))
        return out


class GridEmbedding(nn.Module):
    """Tokens of a pair (N, S), (N, S) -> (N, 2S, width): colour + row + column + input-or-output."""

    def __init__(self, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.colour, self.row, self.column, self.channel = (
            nn.Parameter(torch.empty(count, width).normal_(0, EMBEDDING_STD, generator=generator))
            for count in (VOCABULARY, MAX_SIDE, MAX_SIDE, 2)
        )

    def forward(self, inputs: Tensor, outputs: Tensor) -> Tensor:
        side = round(inputs.shape[1] ** 0.5)
        position = (self.row[:side, None] + self.column[:side]).flatten(0, 1)
        grids = (
            F.embedding(grid.long(), self.colour) + position + channel
            for grid, channel in zip((inputs, outputs), self.channel, strict=True)
        )
        return torch.cat(tuple(grids), dim=1).to(compute_dtype(self.colour))


class GridEncoder(nn.Module):
    """One demonstration -> one vector, read off a CLS token: (N, S), (N, S) -> (N, width)."""

    def __init__(self, config: PerDemoEncoder, generator: torch.Generator) -> None:
        super().__init__()
        self.embedding = GridEmbedding(config.inner_width, generator)
        self.cls = nn.Parameter(truncated_normal((1, 1, config.inner_width), CLS_STD, generator))
        self.blocks = nn.ModuleList(SiluBlock(config.inner_width, generator) for _ in range(config.layers))

    def forward(self, inputs: Tensor, outputs: Tensor) -> Tensor:
        tokens: Tensor = self.embedding(inputs, outputs)
        hidden = torch.cat((self.cls.to(tokens.dtype).expand(len(tokens), 1, -1), tokens), dim=1)
        for block in self.blocks:
            hidden = block(hidden)
        return layer_norm(hidden[:, 0])


@built_from(PerDemoEncoder)
class PerDemoSource(DemonstrationSource):
    """Demonstrations -> a latent each -> mean over the valid ones -> context."""

    def __init__(self, core: CoreConfig, config: PerDemoEncoder, generator: torch.Generator) -> None:
        super().__init__(GridEncoder(config, generator), config.inner_width)
        self.tokens = core.context_tokens
        self.kl_weight, self.kl_reduction = config.kl_weight, config.kl_reduction
        self.posterior = Gaussian(
            plain_linear(config.inner_width, config.latent, generator),
            plain_linear(config.inner_width, config.latent, generator),
        )
        self.decode = plain_linear(config.latent, core.context_tokens * core.width, generator)

    def forward(self, batch: Batch, state: State, noise: Noise | None) -> ContextOutput:
        encodings = self.encode(batch)
        mean, log_variance = self.posterior(encodings)  # each (B, K, latent)
        latents = sample(mean, log_variance, noise if self.training else None)
        mask = batch.demo_mask[..., None]
        latent = (latents * mask).sum(1) / mask.sum(1).clamp(min=1)
        kl = kl_divergence(mean, log_variance, batch.demo_mask)
        penalties = {"kl": Penalty(kl, self.kl_weight, "demonstration", self.kl_reduction)}
        return ContextOutput(self.expand(latent), penalties=penalties, latent=latent)

    def expand(self, latent: Tensor) -> Tensor:
        context: Tensor = self.decode(latent.to(compute_dtype(latent)))
        return context.view(len(latent), self.tokens, -1)

    def beyond(self, side: int) -> int:
        return 2 * (MAX_SIDE - side) * self.width  # rows and columns
