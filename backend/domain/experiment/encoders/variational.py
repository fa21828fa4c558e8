"""The set of demonstrations passes through one latent vector per task."""

from __future__ import annotations

from typing import ClassVar, Literal

from backend.domain.experiment.encoders import shared
from backend.domain.experiment.encoders.base import Encoder
from backend.domain.experiment.fields import field


class VariationalEncoder(Encoder):
    """Cross-attention VAE: pre-norm blocks with a CLS token, learned queries, one latent per task. The KL
    term keeps the latents near a standard normal, so that they can be searched. 15.0 M weights at the
    published width. Costs as much as deterministic.
    """

    kind: Literal["variational"] = "variational"
    small: ClassVar = {"layers": 1}
    layers: int = shared.encoder_layers()
    set_layers: int = shared.set_layers()
    set_norm: Literal["post", "pre"] = field(
        "post", "Set norm", "RMSNorm after or before each set layer.", advanced=True
    )
    layer_scale: float | None = shared.layer_scale()
    kl_weight: float = shared.kl_weight()
    kl_reduction: Literal["batch", "sample"] = shared.kl_reduction()
