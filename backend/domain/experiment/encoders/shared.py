"""Fields that several encoders have."""

from __future__ import annotations

from typing import Any

from backend.domain.experiment.fields import field


def pooling() -> Any:
    """How the tokens of a demonstration become one vector."""
    return field("mean", "Pooling", "How the tokens of a demonstration become one vector.", advanced=True)


def layer_scale() -> Any:
    """The scale of residual branches, or None."""
    about = "Initial scale of each residual branch; empty means no scale (published)."
    return field(None, "Layer scale", about, gt=0, le=1, advanced=True)


def set_layers(seen: str = "demonstrations") -> Any:
    """The layers in which the context's queries look at what is `seen`."""
    about = f"Cross-attention layers from the context queries to the {seen}."
    return field(1, "Set layers", about, ge=1, le=8, advanced=True)


def kl_weight() -> Any:
    """The weight of a KL term."""
    about = "Weight of the KL divergence from a standard normal, in nats of a sample."
    return field(1e-4, "KL weight", about, ge=0, le=1000)


def kl_reduction() -> Any:
    """How a KL term of a sample meets the losses of the batch."""
    about = (
        "batch: the mean KL is added once to the summed loss of the batch, so that beside the loss of a "
        "sample it counts weight / batch size (ETRM as published). sample: it is added to the loss of every "
        "sample, whatever the batch size (LPN)."
    )
    return field("batch", "KL reduction", about, advanced=True)


def encoder_layers() -> Any:
    """The blocks that read a demonstration."""
    return field(2, "Encoder layers", "Transformer blocks that read one demonstration.", ge=1, le=16)


def reading_norm() -> Any:
    """Where those blocks are normalised."""
    about = "RMSNorm after or before each block that reads a demonstration."
    return field("post", "Norm", about, advanced=True)
