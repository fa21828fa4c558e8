"""Slot attention over the cells of the demonstrations."""

from __future__ import annotations

from typing import ClassVar, Literal

from backend.domain.experiment.encoders import shared
from backend.domain.experiment.encoders.base import Encoder
from backend.domain.experiment.fields import field


class SlotsEncoder(Encoder):
    """Slot attention: T slots compete for the tokens of all demonstrations, round after round, and what a
    slot has won becomes one context token. Unexplored for this field: parts of a rule may find slots of
    their own, without a mean over cells. 11.6 M weights at the published width. Costs as much as
    deterministic.
    """

    kind: Literal["slots"] = "slots"
    title = "slot attention"
    reads = "slot attention over the demonstrations' cells"
    small: ClassVar = {"layers": 1}
    layers: int = shared.encoder_layers()
    norm: Literal["post", "pre"] = shared.reading_norm()
    layer_scale: float | None = shared.layer_scale()
    iterations: int = field(
        3, "Iterations", "Rounds in which the slots compete for the tokens; weights are shared.", ge=1, le=16
    )

    def check_context(self, tokens: int) -> None:
        if tokens < 2:
            raise ValueError(
                "core.context_tokens must be 2 or more for encoder.kind slots: one slot has no rival"
            )
