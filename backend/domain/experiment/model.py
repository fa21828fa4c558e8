"""What is trained: the shared recursion and what tells it the task."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from backend.domain.experiment.encoders import EncoderConfig
from backend.domain.experiment.encoders.deterministic import DeterministicEncoder
from backend.domain.experiment.fields import Config, field


class CoreConfig(Config):
    """The recursion shared by every model: states y and z refined by one small transformer."""

    width: int = field(
        512, "Width", "Features per token (D). Must be a multiple of the heads.", ge=8, le=4096
    )
    heads: int = field(8, "Heads", "Attention heads; width / heads must be even for RoPE.", ge=1, le=64)
    layers: int = field(2, "Layers", "Transformer blocks in the refined function f.", ge=1, le=16)
    expansion: float = field(
        4.0,
        "Expansion",
        "Inner size of the SwiGLU: expansion x width x 2/3, rounded up to a multiple of 256.",
        gt=0,
        le=16,
        advanced=True,
    )
    h_cycles: int = field(
        3, "H cycles", "Outer cycles per ACT step; only the last one carries gradient.", ge=1, le=16
    )
    l_cycles: int = field(6, "L cycles", "Refinements of z before each refinement of y.", ge=1, le=32)
    context_tokens: int = field(
        16,
        "Context tokens",
        "Tokens (T) that tell the decoder which task it is solving.",
        ge=1,
        le=64,
        advanced=True,
    )

    @model_validator(mode="after")
    def _heads_divide_width(self) -> CoreConfig:
        if self.width % self.heads or (self.width // self.heads) % 2:
            raise ValueError(
                f"width {self.width} must be an even multiple of heads {self.heads}: "
                f"try width {2 * self.heads * max(1, round(self.width / (2 * self.heads)))}"
            )
        return self


class ActConfig(Config):
    """Adaptive computation time: one ACT step per optimiser step, the carry persists between them."""

    max_steps: int = field(
        16,
        "ACT steps",
        "Most ACT steps a sample stays in the batch; evaluation always runs them all.",
        ge=1,
        le=64,
    )
    exploration: float = field(
        0.5,
        "Exploration",
        "Probability that a sample must stay for a random minimum of 2 to ACT steps.",
        ge=0,
        le=1,
        advanced=True,
    )


class TrmModel(Config):
    """TRM: one learned embedding per augmented puzzle, evaluation puzzles included."""

    kind: Literal["trm"] = "trm"
    core: CoreConfig = field(lambda: CoreConfig(l_cycles=4), "Core", "The recursive decoder.")
    act: ActConfig = field(lambda: ActConfig(exploration=0.1), "ACT", "Halting.")
    embedding_width: int = field(
        512,
        "Puzzle embedding width",
        "Numbers learned per puzzle; zero-padded to context tokens x width. At most that many.",
        ge=1,
        le=65536,
        advanced=True,
    )
    embedding_learning_rate: float = field(
        1e-2,
        "Puzzle learning rate",
        "Step of the sign-SGD on the rows of the batch.",
        gt=0,
        le=1,
        advanced=True,
    )
    embedding_weight_decay: float = field(
        0.1, "Puzzle weight decay", "Weight decay of the rows of the batch.", ge=0, le=10, advanced=True
    )

    @model_validator(mode="after")
    def _embedding_fits(self) -> TrmModel:
        room = self.core.context_tokens * self.core.width
        if self.embedding_width > room:
            raise ValueError(
                f"embedding_width {self.embedding_width} is over context_tokens x width = {room}: "
                f"set {room} or less"
            )
        return self


class EtrmModel(Config):
    """ETRM: an encoder reads the demonstrations in place of the per-puzzle embedding."""

    kind: Literal["etrm"] = "etrm"
    core: CoreConfig = field(CoreConfig, "Core", "The recursive decoder.")
    act: ActConfig = field(ActConfig, "ACT", "Halting.")
    encoder: EncoderConfig = field(DeterministicEncoder, "Encoder", "What turns demonstrations into context.")
    reencode: bool = field(
        True,
        "Re-encode every ACT step",
        "On: the encoder gets gradient at every step. Off: the context is cached in the carry, "
        "which starves the encoder (about 2 % gradient coverage in the published first version).",
    )

    @model_validator(mode="after")
    def _context_fits_encoder(self) -> EtrmModel:
        self.encoder.check_context(self.core.context_tokens)
        return self


ModelConfig = Annotated[TrmModel | EtrmModel, Field(discriminator="kind")]
