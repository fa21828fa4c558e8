"""ExperimentConfig: the one definition of an experiment.

The web form walks its JSON schema, the API takes it as the body, the command line parses it, the
database stores its JSON, the worker validates the same class, and the compare page diffs it. Every
field therefore carries a title, a description, bounds and (in `json_schema_extra`) a unit.

Settings and their published values: "Less is More" (arXiv 2510.04871) and the ETRM runs built on it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

SCHEMA_VERSION = 1

BUILT_IN_SETS = (
    "arc-agi-1/training",
    "arc-agi-1/evaluation",
    "arc-agi-2/training",
    "arc-agi-2/evaluation",
)


def _field(
    default: Any, title: str, description: str, *, unit: str = "", advanced: bool = False, **bounds: Any
) -> Any:
    """A documented field. `advanced` fields are folded away in the form."""
    extra: dict[str, Any] = {"unit": unit, "advanced": advanced}
    if callable(default):
        return Field(
            default_factory=default, title=title, description=description, json_schema_extra=extra, **bounds
        )
    return Field(default, title=title, description=description, json_schema_extra=extra, **bounds)


class Config(BaseModel):
    """Frozen, and strict about unknown keys and types: a typo is an error, never a default."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, allow_inf_nan=False)


class CoreConfig(Config):
    """The recursion shared by every model: states y and z refined by one small transformer."""

    width: int = _field(
        512, "Width", "Features per token (D). Must be a multiple of the heads.", ge=8, le=4096
    )
    heads: int = _field(8, "Heads", "Attention heads; width / heads must be even for RoPE.", ge=1, le=64)
    layers: int = _field(2, "Layers", "Transformer blocks in the refined function f.", ge=1, le=16)
    expansion: float = _field(
        4.0,
        "Expansion",
        "Inner size of the SwiGLU: expansion x width x 2/3, rounded up to a multiple of 256.",
        gt=0,
        le=16,
        advanced=True,
    )
    h_cycles: int = _field(
        3, "H cycles", "Outer cycles per ACT step; only the last one carries gradient.", ge=1, le=16
    )
    l_cycles: int = _field(6, "L cycles", "Refinements of z before each refinement of y.", ge=1, le=32)
    context_tokens: int = _field(
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

    max_steps: int = _field(
        16,
        "ACT steps",
        "Most ACT steps a sample stays in the batch; evaluation always runs them all.",
        ge=1,
        le=64,
    )
    exploration: float = _field(
        0.5,
        "Exploration",
        "Probability that a sample must stay for a random minimum of 2 to ACT steps.",
        ge=0,
        le=1,
        advanced=True,
    )


def _pooling() -> Any:
    return _field("mean", "Pooling", "How the tokens of a demonstration become one vector.", advanced=True)


def _layer_scale() -> Any:
    return _field(
        None,
        "Layer scale",
        "Initial scale of each residual branch; empty means no scale (published).",
        gt=0,
        le=1,
        advanced=True,
    )


def _set_layers() -> Any:
    return _field(
        1,
        "Set layers",
        "Cross-attention layers from the context queries to the demonstrations.",
        ge=1,
        le=8,
        advanced=True,
    )


def _kl_weight() -> Any:
    return _field(
        1e-4,
        "KL weight",
        "Weight of the KL divergence from a standard normal; added to the summed loss of the batch, as "
        "published.",
        ge=0,
        le=1000,
    )


def _encoder_layers() -> Any:
    return _field(2, "Encoder layers", "Transformer blocks that read one demonstration.", ge=1, le=16)


class DeterministicEncoder(Config):
    """Demonstrations -> transformer -> mean token -> learned queries over demonstrations -> context.
    Every cell is read, nothing is thrown away on purpose. 10.5 M weights at the published width. Its cost,
    nearly all of it the reading of cells, is what the other encoders are measured by.
    """

    kind: Literal["deterministic"] = "deterministic"
    layers: int = _encoder_layers()
    pooling: Literal["mean", "attention", "weighted"] = _pooling()
    norm: Literal["post", "pre"] = _field(
        "post", "Norm", "RMSNorm after or before each block.", advanced=True
    )
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
    set_norm: Literal["post", "pre"] = _field(
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
    inner_width: int = _field(
        128, "Inner width", "Features per token inside the encoder.", ge=8, le=1024, multiple_of=8
    )
    latent: int = _field(32, "Latent size", "Numbers that describe one demonstration.", ge=1, le=4096)
    kl_weight: float = _kl_weight()


class IterativeEncoder(Config):
    """Two states refined by an H/L loop and carried over the ACT steps; context: the slowly moving y, so
    that it grows sharper while the core works. 13.9 M weights at the published width. Costs as much as
    deterministic.
    """

    kind: Literal["iterative"] = "iterative"
    layers: int = _encoder_layers()
    pooling: Literal["mean", "attention", "weighted"] = _pooling()
    norm: Literal["post", "pre"] = _field(
        "post", "Norm", "RMSNorm after or before each block that reads a demonstration.", advanced=True
    )
    layer_scale: float | None = _layer_scale()
    refine_layers: int = _field(2, "Refining layers", "Transformer blocks that refine.", ge=1, le=16)
    refine_h_cycles: int = _field(3, "Refining H cycles", "Outer cycles per ACT step.", ge=1, le=16)
    refine_l_cycles: int = _field(1, "Refining L cycles", "Inner refinements per outer cycle.", ge=1, le=32)
    detach_context: bool = _field(
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
    norm: Literal["post", "pre"] = _field(
        "post", "Norm", "RMSNorm after or before each block that reads a demonstration.", advanced=True
    )
    layer_scale: float | None = _layer_scale()
    iterations: int = _field(
        3, "Iterations", "Rounds in which the slots compete for the tokens; weights are shared.", ge=1, le=16
    )


class GraphEncoder(Config):
    """Objects in place of cells: connected cells of one colour become nodes that know their colour, size,
    place and shape; messages pass along edges within a grid, from input to output and between
    demonstrations; learned queries look at the nodes. Unexplored for this field, blind to what lies beyond
    the largest objects, and indifferent to where grids lie on the canvas. 17.0 M weights at the published
    width. Costs a thirtieth of deterministic on the 30 x 30 canvas, less than half on 10 x 10.
    """

    kind: Literal["graph"] = "graph"
    layers: int = _field(3, "Graph layers", "Rounds of message passing, each with its weights.", ge=1, le=16)
    connectivity: Literal["sides", "corners"] = _field(
        "corners",
        "Connectivity",
        "Cells of one colour are one object where they share a side (4 neighbours) or also a corner (8).",
    )
    objects: int = _field(
        24, "Objects per grid", "The largest so many objects of each grid are nodes.", ge=1, le=128
    )
    set_layers: int = _field(
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


class TrmModel(Config):
    """TRM: one learned embedding per augmented puzzle, evaluation puzzles included."""

    kind: Literal["trm"] = "trm"
    core: CoreConfig = _field(lambda: CoreConfig(l_cycles=4), "Core", "The recursive decoder.")
    act: ActConfig = _field(lambda: ActConfig(exploration=0.1), "ACT", "Halting.")
    embedding_width: int = _field(
        512,
        "Puzzle embedding width",
        "Numbers learned per puzzle; zero-padded to context tokens x width. At most that many.",
        ge=1,
        le=65536,
        advanced=True,
    )
    embedding_learning_rate: float = _field(
        1e-2,
        "Puzzle learning rate",
        "Step of the sign-SGD on the rows of the batch.",
        gt=0,
        le=1,
        advanced=True,
    )
    embedding_weight_decay: float = _field(
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
    core: CoreConfig = _field(CoreConfig, "Core", "The recursive decoder.")
    act: ActConfig = _field(ActConfig, "ACT", "Halting.")
    encoder: EncoderConfig = _field(
        DeterministicEncoder, "Encoder", "What turns demonstrations into context."
    )
    reencode: bool = _field(
        True,
        "Re-encode every ACT step",
        "On: the encoder gets gradient at every step. Off: the context is cached in the carry, "
        "which starves the encoder (about 2 % gradient coverage in the published first version).",
    )

    @model_validator(mode="after")
    def _slots_have_rivals(self) -> EtrmModel:
        if isinstance(self.encoder, SlotsEncoder) and self.core.context_tokens < 2:
            raise ValueError(
                "core.context_tokens must be 2 or more for encoder.kind slots: one slot has no rival"
            )
        return self


ModelConfig = Annotated[TrmModel | EtrmModel, Field(discriminator="kind")]


class DataConfig(Config):
    """Which tasks are trained on, how they lie on the canvas and how they are augmented."""

    kind: Literal["arc"] = "arc"
    training_sets: tuple[str, ...] = _field(
        ("arc-agi-1/training",),
        "Training sets",
        "Names of built-in or imported sets.",
        min_length=1,
        max_length=16,
    )
    evaluation_demonstrations: bool = _field(
        False,
        "Learn evaluation demonstrations",
        "Also train on the demonstration pairs (never the test pairs) of the evaluated tasks. "
        "TRM needs it: it has one embedding per puzzle. An encoder must not have it.",
    )
    first_tasks: int | None = _field(
        None,
        "First n tasks",
        "Train on the first n usable tasks in id order; empty means all.",
        unit="tasks",
        ge=1,
    )
    task_ids: tuple[str, ...] = _field(
        (), "Task ids", "Train on these tasks only; empty means all.", advanced=True, max_length=5000
    )
    canvas_sizes: tuple[int, ...] = _field(
        (30,),
        "Canvas sizes",
        "Side lengths of the square canvases, ascending. A task gets the smallest that holds its "
        "demonstrations and test inputs (never chosen by a test output). Published: 30 alone.",
        unit="cells",
        min_length=1,
        max_length=8,
    )
    augmentations: int = _field(
        1000,
        "Augmentations",
        "Augmented forms per task besides the original: colours 1-9 permuted, then turned or "
        "flipped. 0 trains on the originals.",
        unit="per task",
        ge=0,
        le=100_000,
    )
    translation: bool = _field(
        True, "Translation", "Place each pair at a random offset on the canvas.", advanced=True
    )
    max_demonstrations: int = _field(
        10,
        "Most demonstrations",
        "Demonstrations the encoder may see of one task.",
        ge=1,
        le=16,
        advanced=True,
    )
    query: Literal["any", "test"] = _field(
        "any",
        "Query pair",
        "any: every pair of a training task is asked in turn, the others are shown (leave-one-out). "
        "test: only test pairs are asked.",
        advanced=True,
    )
    on_leak: Literal["drop", "refuse"] = _field(
        "drop",
        "On a leak",
        "What to do with a training task that holds a pair of an evaluated task in any augmentation: "
        "drop the task (and say so) or refuse to start.",
        advanced=True,
    )

    @model_validator(mode="after")
    def _sizes_ascend(self) -> DataConfig:
        sizes = self.canvas_sizes
        if list(sizes) != sorted(set(sizes)) or sizes[0] < 3 or sizes[-1] > 30:
            raise ValueError(
                f"canvas_sizes {list(sizes)} must ascend and lie in 3 to 30, for example [10, 20, 30]"
            )
        return self


class OptimisationConfig(Config):
    """Adam-atan2 with warm-up, clipping and a moving average of the weights."""

    learning_rate: float = _field(1e-4, "Learning rate", "Peak learning rate.", gt=0, le=1)
    warmup_steps: int = _field(2000, "Warm-up", "Steps of linear warm-up.", unit="steps", ge=0)
    schedule: Literal["constant", "cosine"] = _field(
        "constant", "Schedule", "After warm-up: stay, or fall along a cosine to a tenth."
    )
    weight_decay: float = _field(0.1, "Weight decay", "Decoupled weight decay.", ge=0, le=10, advanced=True)
    beta1: float = _field(0.9, "Beta 1", "Decay of the first moment.", ge=0, lt=1, advanced=True)
    beta2: float = _field(0.95, "Beta 2", "Decay of the second moment.", ge=0, lt=1, advanced=True)
    gradient_clip: float | None = _field(
        1.0,
        "Gradient clip",
        "Largest total gradient norm; empty means none (training collapsed near step 1,900).",
        gt=0,
    )
    ema_decay: float = _field(
        0.999, "EMA decay", "Moving average of all weights, used for evaluation.", ge=0, lt=1, advanced=True
    )


class SeededStart(Config):
    """New weights, drawn from the seed."""

    kind: Literal["seed"] = "seed"


class CheckpointStart(Config):
    """Weights of a published or exported checkpoint: a file by torch, or safetensors."""

    kind: Literal["checkpoint"] = "checkpoint"
    path: str = _field(
        "",
        "File",
        "On the machine that trains. Nothing but tensors is read from it.",
        min_length=1,
        max_length=4096,
    )
    part: Literal["all", "decoder"] = _field(
        "all",
        "Part",
        "all: every weight. decoder: the core and its heads alone, for example those of a TRM under a new "
        "encoder.",
    )
    weights: Literal["ema", "raw", "unknown"] = _field(
        "unknown",
        "Weights",
        "Which weights to take where the file holds both, and what is on record where it does not say: "
        "the moving average (as published for TRM) or the raw ones. One TRM checkpoint scores 41.75 % "
        "with its average and 3.25 % without.",
    )


StartConfig = Annotated[SeededStart | CheckpointStart, Field(discriminator="kind")]


class TrainingConfig(Config):
    """How long, how wide, on what, and how often things are written down."""

    steps: int = _field(
        100_000, "Steps", "Optimiser steps; each is one ACT step of the batch.", unit="steps", ge=1
    )
    batch_size: int = _field(
        256, "Batch size", "Samples per step over all devices.", unit="samples", ge=1, le=65536
    )
    device: Literal["auto", "cpu", "cuda"] = _field("auto", "Device", "auto takes a GPU where there is one.")
    precision: Literal["fp32", "bf16"] = _field(
        "fp32", "Precision", "Arithmetic of the blocks; the loss is always float64."
    )
    initialise_from: StartConfig = _field(
        SeededStart, "Initialise from", "What the weights are before the first step."
    )
    log_every: int = _field(10, "Log every", "Steps between recorded points.", unit="steps", ge=1)
    checkpoint_every: int = _field(1000, "Checkpoint every", "Steps between checkpoints.", unit="steps", ge=1)
    keep_checkpoints: int = _field(
        3, "Keep checkpoints", "Newest checkpoints kept.", ge=1, le=1000, advanced=True
    )


class EvaluationSet(Config):
    """Which tasks of which set are evaluated."""

    name: str = _field(
        "arc-agi-1/evaluation", "Set", "A built-in or imported set.", min_length=1, max_length=200
    )
    first_tasks: int | None = _field(
        32, "First n tasks", "The first n tasks in id order; empty means all.", unit="tasks", ge=1
    )
    that_fit: bool = _field(
        False,
        "Only tasks that fit",
        "Choose among the tasks whose demonstrations and test inputs fit the largest canvas. "
        "Off: a task that does not fit counts as failed.",
        advanced=True,
    )


class EvaluationConfig(Config):
    """Scoring: augmented views, undone and voted on."""

    sets: tuple[EvaluationSet, ...] = _field(
        lambda: (EvaluationSet(),), "Evaluated sets", "Each is scored at the end of training.", max_length=8
    )
    views: int = _field(
        32, "Views", "Augmented forms of each test input that vote.", unit="views", ge=1, le=10_000
    )
    act_steps: int | None = _field(
        None, "ACT steps", "ACT steps in evaluation; empty means as in training.", ge=1, le=256, advanced=True
    )
    weights: Literal["ema", "raw"] = _field("ema", "Weights", "Moving average (published) or raw.")
    batch_size: int = _field(
        64, "Evaluation batch", "Views per forward pass.", unit="views", ge=1, le=8192, advanced=True
    )
    every: int | None = _field(
        None,
        "Evaluate every",
        "Also evaluate during training, every n steps; empty means only at the end.",
        unit="steps",
        ge=1,
        advanced=True,
    )
    keep_candidates: int = _field(
        5, "Candidates kept", "Top candidates stored per test input.", ge=2, le=100, advanced=True
    )

    @model_validator(mode="after")
    def _each_set_once(self) -> EvaluationConfig:
        names = [each.name for each in self.sets]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            raise ValueError(f"sets names {twice} more than once: evaluate it once, with all its tasks")
        return self


class ExperimentConfig(Config):
    """One experiment: a model, its data, how it is trained and how it is scored."""

    schema_version: Literal[1] = Field(default=1, title="Schema version", json_schema_extra={"hidden": True})
    name: str = _field(
        "", "Name", "Shown in tables; empty gets one from the model and the seed.", max_length=120
    )
    seed: int = _field(0, "Seed", "Of weights, data order, augmentation and halting.", ge=0, le=2**31 - 1)
    model: ModelConfig = _field(EtrmModel, "Model", "What is trained.")
    data: DataConfig = _field(DataConfig, "Data", "Tasks, canvas, augmentation.")
    optimisation: OptimisationConfig = _field(OptimisationConfig, "Optimisation", "Optimiser and schedule.")
    training: TrainingConfig = _field(TrainingConfig, "Training", "Length, batch, device, recording.")
    evaluation: EvaluationConfig = _field(EvaluationConfig, "Evaluation", "How checkpoints are scored.")

    @model_validator(mode="after")
    def _encoders_never_see_evaluation_tasks(self) -> ExperimentConfig:
        if isinstance(self.model, EtrmModel) and self.data.evaluation_demonstrations:
            raise ValueError(
                "data.evaluation_demonstrations must be false for an ETRM model: "
                "its evaluation tasks must be unseen; set it to false or choose model.kind trm"
            )
        return self

    @property
    def variant(self) -> str:
        """What colours and groups the run: `trm`, or the kind of its encoder."""
        return "trm" if isinstance(self.model, TrmModel) else self.model.encoder.kind
