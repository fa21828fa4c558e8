"""How the weights move."""

from __future__ import annotations

from typing import Literal

from backend.domain.experiment.fields import Config, field


class OptimisationConfig(Config):
    """Adam-atan2 with warm-up, clipping and a moving average of the weights."""

    learning_rate: float = field(1e-4, "Learning rate", "Peak learning rate.", gt=0, le=1)
    encoder_learning_rate: float | None = field(
        None,
        "Encoder learning rate",
        "Peak learning rate of the encoder's weights; empty means that of all weights.",
        gt=0,
        le=1,
        advanced=True,
    )
    warmup_steps: int = field(2000, "Warm-up", "Steps of linear warm-up.", unit="steps", ge=0)
    schedule: Literal["constant", "cosine"] = field(
        "constant", "Schedule", "After warm-up: stay, or fall along a cosine to a tenth."
    )
    weight_decay: float = field(0.1, "Weight decay", "Decoupled weight decay.", ge=0, le=10, advanced=True)
    beta1: float = field(0.9, "Beta 1", "Decay of the first moment.", ge=0, lt=1, advanced=True)
    beta2: float = field(0.95, "Beta 2", "Decay of the second moment.", ge=0, lt=1, advanced=True)
    gradient_clip: float | None = field(
        1.0,
        "Gradient clip",
        "Largest total gradient norm; empty means none (training collapsed near step 1,900).",
        gt=0,
    )
    ema_decay: float = field(
        0.999, "EMA decay", "Moving average of all weights, used for evaluation.", ge=0, lt=1, advanced=True
    )
    freeze: Literal["none", "encoder", "decoder"] = field(
        "none",
        "Freeze",
        "Part whose weights stay as they are for the first steps: the encoder, or the core with its heads, "
        "for example under weights of a checkpoint.",
        advanced=True,
    )
    freeze_steps: int = field(
        1000, "Freeze for", "Steps the frozen part stays frozen.", unit="steps", ge=1, advanced=True
    )
