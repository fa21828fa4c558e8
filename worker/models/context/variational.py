"""Cross-attention VAE: the set of demonstrations passes through one latent vector per task."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from backend.domain.experiment import CoreConfig
from backend.domain.experiment.encoders.variational import VariationalEncoder
from worker.kit.batch import Batch
from worker.kit.noise import Noise
from worker.models.context.deterministic import DemonstrationSource, PairEmbedding, SetEncoder
from worker.models.context.source import ContextOutput, Penalty, State, built_from
from worker.models.layers import (
    Block,
    Linear,
    compute_dtype,
    rms_norm,
    rope_table,
    truncated_normal,
    wide_dtype,
)

CLS_STD = 0.02
LOG_VARIANCE_LIMIT = 10.0


class Gaussian(nn.Module):
    """The posterior (mean, log variance) of a vector (..., D), never bf16; variance 1 at the start."""

    def __init__(self, mean: Linear, log_variance: Linear) -> None:
        super().__init__()
        self.mean = mean
        self.log_variance = log_variance
        with torch.no_grad():
            log_variance.weight.zero_()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        wide = wide_dtype(x.dtype)
        log_variance = self.log_variance(x).to(wide)
        return self.mean(x).to(wide), log_variance.clamp(-LOG_VARIANCE_LIMIT, LOG_VARIANCE_LIMIT)


def sample(mean: Tensor, log_variance: Tensor, noise: Noise | None) -> Tensor:
    """mean + sigma x noise (Kingma and Welling 2014); the mean without noise."""
    return mean if noise is None else mean + noise.normal(mean) * (0.5 * log_variance).exp()


def kl_divergence(mean: Tensor, log_variance: Tensor, counted: Tensor) -> Tensor:
    """KL from a standard normal, summed over the last axis, mean over where `counted` is True."""
    divergence = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(-1)
    return (divergence * counted).sum() / counted.sum().clamp(min=1)


class ClsPairEncoder(nn.Module):
    """One demonstration -> one vector, read off a CLS token: (N, S), (N, S) -> (N, D)."""

    def __init__(self, core: CoreConfig, config: VariationalEncoder, generator: torch.Generator) -> None:
        super().__init__()
        self.head_width = core.width // core.heads
        self.embedding = PairEmbedding(core.width, generator)
        self.cls = nn.Parameter(truncated_normal((1, 1, core.width), CLS_STD, generator))
        self.blocks = nn.ModuleList(
            Block(
                core.width,
                core.heads,
                core.expansion,
                generator,
                norm="pre",
                layer_scale=config.layer_scale,
            )
            for _ in range(config.layers)
        )

    def forward(self, inputs: Tensor, outputs: Tensor) -> Tensor:
        tokens: Tensor = self.embedding(inputs, outputs)
        cls = self.cls.to(tokens.dtype).expand(len(tokens), 1, -1)
        hidden = torch.cat((cls, tokens), dim=1)
        wide = wide_dtype(tokens.dtype)
        rope = rope_table(tokens.shape[1], self.head_width, tokens.device, unrotated=1, dtype=wide)
        for block in self.blocks:
            hidden = block(hidden, rope)
        return rms_norm(hidden[:, 0])


@built_from(VariationalEncoder)
class VariationalSource(DemonstrationSource):
    """Demonstrations -> set -> mean of its T tokens -> latent -> context."""

    def __init__(self, core: CoreConfig, config: VariationalEncoder, generator: torch.Generator) -> None:
        super().__init__(ClsPairEncoder(core, config, generator), core.width)
        self.tokens = core.context_tokens
        self.kl_weight, self.kl_reduction = config.kl_weight, config.kl_reduction
        self.set = SetEncoder(core, config.set_layers, config.set_norm, config.layer_scale, generator)
        self.posterior = Gaussian(
            Linear(core.width, core.width, generator, bias=True),
            Linear(core.width, core.width, generator, bias=True),
        )
        self.decode = Linear(core.width, core.context_tokens * core.width, generator)

    def forward(self, batch: Batch, state: State, noise: Noise | None) -> ContextOutput:
        seen = self.set(self.encode(batch), batch.demo_mask)
        mean, log_variance = self.posterior(rms_norm(seen.mean(1)))
        latent = sample(mean, log_variance, noise if self.training else None)
        kl = kl_divergence(mean, log_variance, batch.demo_mask.any(-1))
        penalties = {"kl": Penalty(kl, self.kl_weight, reduction=self.kl_reduction)}
        return ContextOutput(self.expand(latent), penalties=penalties, latent=latent)

    def expand(self, latent: Tensor) -> Tensor:
        context: Tensor = self.decode(latent.to(compute_dtype(latent)))
        return context.view(-1, self.tokens, self.width)
