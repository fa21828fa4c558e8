"""One latent vector per demonstration, then their mean."""

from __future__ import annotations

from typing import ClassVar, Literal

from backend.domain.experiment.encoders import shared
from backend.domain.experiment.encoders.base import Encoder
from backend.domain.experiment.fields import field


class PerDemoEncoder(Encoder):
    """Per-demonstration VAE, as in LPN: a small transformer, one latent per demonstration, their mean. A
    narrow bottleneck: the rule must fit into 32 numbers. 0.7 M weights at the published width. Costs a
    sixth of deterministic there, and more than it where the core is narrower than its inner width.
    """

    kind: Literal["per_demo"] = "per_demo"
    small: ClassVar = {"layers": 1, "inner_width": 64}
    layers: int = shared.encoder_layers()
    inner_width: int = field(
        128, "Inner width", "Features per token inside the encoder.", ge=8, le=1024, multiple_of=8
    )
    latent: int = field(32, "Latent size", "Numbers that describe one demonstration.", ge=1, le=4096)
    kl_weight: float = shared.kl_weight()
    kl_reduction: Literal["batch", "sample"] = shared.kl_reduction()
