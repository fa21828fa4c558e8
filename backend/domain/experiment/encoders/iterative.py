"""A recursion over the demonstrations, carried over the ACT steps."""

from __future__ import annotations

from typing import ClassVar, Literal

from backend.domain.experiment.encoders import shared
from backend.domain.experiment.encoders.base import Encoder
from backend.domain.experiment.fields import field


class IterativeEncoder(Encoder):
    """Two states refined by an H/L loop and carried over the ACT steps; context: the slowly moving y, so
    that it grows sharper while the core works. 13.9 M weights at the published width. Costs as much as
    deterministic.
    """

    kind: Literal["iterative"] = "iterative"
    small: ClassVar = {"layers": 1, "refine_layers": 1, "refine_h_cycles": 2}
    layers: int = shared.encoder_layers()
    pooling: Literal["mean", "attention", "weighted"] = shared.pooling()
    norm: Literal["post", "pre"] = shared.reading_norm()
    layer_scale: float | None = shared.layer_scale()
    refine_layers: int = field(2, "Refining layers", "Transformer blocks that refine.", ge=1, le=16)
    refine_h_cycles: int = field(3, "Refining H cycles", "Outer cycles per ACT step.", ge=1, le=16)
    refine_l_cycles: int = field(1, "Refining L cycles", "Inner refinements per outer cycle.", ge=1, le=32)
    detach_context: bool = field(
        False,
        "Detach the context",
        "On: the context carries no gradient, so the encoder never learns (as published, by mistake).",
    )
