"""The encoders of ETRM: what turns demonstrations into context."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from backend.domain.experiment.fields import Config, field


def _pooling() -> Any:
    return field("mean", "Pooling", "How the tokens of a demonstration become one vector.", advanced=True)


def _layer_scale() -> Any:
    return field(
        None,
        "Layer scale",
        "Initial scale of each residual branch; empty means no scale (published).",
        gt=0,
        le=1,
        advanced=True,
    )


def _set_layers() -> Any:
    return field(
        1,
        "Set layers",
        "Cross-attention layers from the context queries to the demonstrations.",
        ge=1,
        le=8,
        advanced=True,
    )


def _kl_weight() -> Any:
    return field(
        1e-4,
        "KL weight",
        "Weight of the KL divergence from a standard normal; added to the summed loss of the batch, as "
        "published.",
        ge=0,
        le=1000,
    )


def _encoder_layers() -> Any:
    return field(2, "Encoder layers", "Transformer blocks that read one demonstration.", ge=1, le=16)


class DeterministicEncoder(Config):
    """Demonstrations → transformer → mean token → learned queries over demonstrations → context.
    Every cell is read, nothing is thrown away on purpose. 10.5 M weights at the published width. Its cost,
    nearly all of it the reading of cells, is what the other encoders are measured by.
    """

    kind: Literal["deterministic"] = "deterministic"
    layers: int = _encoder_layers()
    pooling: Literal["mean", "attention", "weighted"] = _pooling()
    norm: Literal["post", "pre"] = field("post", "Norm", "RMSNorm after or before each block.", advanced=True)
    set_layers: int = _set_layers()
    layer_scale: float | None = _layer_scale()


class VariationalEncoder(Config):
    """Cross-attention VAE: pre-norm blocks with a CLS token, learned queries, one latent per task. The KL
    term keeps the latents near a standard normal, so that they can be searched. 15.0 M weights at the
    published width. Costs as much as deterministic.
    """

    kind: Literal["variational"] = "variational"
    layers: int = _encoder_layers()
    set_layers: int = _set_layers()
    set_norm: Literal["post", "pre"] = field(
        "post", "Set norm", "RMSNorm after or before each set layer.", advanced=True
    )
    layer_scale: float | None = _layer_scale()
    kl_weight: float = _kl_weight()


class PerDemoEncoder(Config):
    """Per-demonstration VAE, as in LPN: a small transformer, one latent per demonstration, their mean. A
    narrow bottleneck: the rule must fit into 32 numbers. 0.7 M weights at the published width. Costs a
    sixth of deterministic there, and more than it where the core is narrower than its inner width.
    """

    kind: Literal["per_demo"] = "per_demo"
    layers: int = _encoder_layers()
    inner_width: int = field(
        128, "Inner width", "Features per token inside the encoder.", ge=8, le=1024, multiple_of=8
    )
    latent: int = field(32, "Latent size", "Numbers that describe one demonstration.", ge=1, le=4096)
    kl_weight: float = _kl_weight()


class IterativeEncoder(Config):
    """Two states refined by an H/L loop and carried over the ACT steps; context: the slowly moving y, so
    that it grows sharper while the core works. 13.9 M weights at the published width. Costs as much as
    deterministic.
    """

    kind: Literal["iterative"] = "iterative"
    layers: int = _encoder_layers()
    pooling: Literal["mean", "attention", "weighted"] = _pooling()
    norm: Literal["post", "pre"] = field(
        "post", "Norm", "RMSNorm after or before each block that reads a demonstration.", advanced=True
    )
    layer_scale: float | None = _layer_scale()
    refine_layers: int = field(2, "Refining layers", "Transformer blocks that refine.", ge=1, le=16)
    refine_h_cycles: int = field(3, "Refining H cycles", "Outer cycles per ACT step.", ge=1, le=16)
    refine_l_cycles: int = field(1, "Refining L cycles", "Inner refinements per outer cycle.", ge=1, le=32)
    detach_context: bool = field(
        False,
        "Detach the context",
        "On: the context carries no gradient, so the encoder never learns (as published, by mistake).",
    )


class SlotsEncoder(Config):
    """Slot attention: T slots compete for the tokens of all demonstrations, round after round, and what a
    slot has won becomes one context token. Unexplored for this field: parts of a rule may find slots of
    their own, without a mean over cells. 11.6 M weights at the published width. Costs as much as
    deterministic.
    """

    kind: Literal["slots"] = "slots"
    layers: int = _encoder_layers()
    norm: Literal["post", "pre"] = field(
        "post", "Norm", "RMSNorm after or before each block that reads a demonstration.", advanced=True
    )
    layer_scale: float | None = _layer_scale()
    iterations: int = field(
        3, "Iterations", "Rounds in which the slots compete for the tokens; weights are shared.", ge=1, le=16
    )


class GraphEncoder(Config):
    """Objects in place of cells: connected cells of one colour become nodes that know their colour, size,
    place and shape; messages pass along edges within a grid, from input to output and between
    demonstrations; learned queries look at the nodes. Unexplored for this field, blind to what lies beyond
    the largest objects, and indifferent to where grids lie on the canvas. 17.0 M weights at the published
    width. Costs a thirtieth of deterministic on the 30×30 canvas, less than half on 10×10.
    """

    kind: Literal["graph"] = "graph"
    layers: int = field(3, "Graph layers", "Rounds of message passing, each with its weights.", ge=1, le=16)
    connectivity: Literal["sides", "corners"] = field(
        "corners",
        "Connectivity",
        "Cells of one colour are one object where they share a side (4 neighbours) or also a corner (8).",
    )
    objects: int = field(
        24, "Objects per grid", "The largest so many objects of each grid are nodes.", ge=1, le=128
    )
    set_layers: int = field(
        1,
        "Set layers",
        "Cross-attention layers from the context queries to the nodes.",
        ge=1,
        le=8,
        advanced=True,
    )


EncoderConfig = Annotated[
    DeterministicEncoder
    | VariationalEncoder
    | PerDemoEncoder
    | IterativeEncoder
    | SlotsEncoder
    | GraphEncoder,
    Field(discriminator="kind"),
]
