"""Each demonstration becomes one vector, learned queries look at the set."""

from __future__ import annotations

from typing import ClassVar, Literal

from backend.domain.experiment.encoders import shared
from backend.domain.experiment.encoders.base import Encoder
from backend.domain.experiment.fields import field


class DeterministicEncoder(Encoder):
    """Demonstrations → transformer → mean token → learned queries over demonstrations → context.
    Every cell is read, nothing is thrown away on purpose. 10.5 M weights at the published width. Its cost,
    nearly all of it the reading of cells, is what the other encoders are measured by.
    """

    kind: Literal["deterministic"] = "deterministic"
    small: ClassVar = {"layers": 1}
    layers: int = shared.encoder_layers()
    pooling: Literal["mean", "attention", "weighted"] = shared.pooling()
    norm: Literal["post", "pre"] = field("post", "Norm", "RMSNorm after or before each block.", advanced=True)
    set_layers: int = shared.set_layers()
    layer_scale: float | None = shared.layer_scale()
