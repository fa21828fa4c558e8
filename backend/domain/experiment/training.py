"""How long, how wide, on what, from which weights."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from backend.domain.experiment.fields import Config, field
from backend.domain.hypothesis.measure import MAX_LENGTH
from backend.domain.retention import Direction, Policy, goal_of


class SeededStart(Config):
    """New weights, drawn from the seed."""

    kind: Literal["seed"] = "seed"


class CheckpointStart(Config):
    """Weights of a published or exported checkpoint: a file by torch, or safetensors."""

    kind: Literal["checkpoint"] = "checkpoint"
    path: str = field(
        "",
        "File",
        "Path on the machine that trains, in a folder of ETRM_CHECKPOINT_FOLDERS, or on the Hugging Face "
        "Hub hf:OWNER/NAME/FILE@REVISION. Only tensors are read from it.",
        min_length=1,
        max_length=4096,
    )
    part: Literal["all", "decoder"] = field(
        "all",
        "Part",
        "all: every weight. decoder: the core and its heads alone, for example those of a TRM under a new "
        "encoder.",
    )
    weights: Literal["ema", "raw", "unknown"] = field(
        "unknown",
        "Weights",
        "Which weights to take where the file holds both, and what is on record where it does not say: "
        "the moving average (as published for TRM) or the raw ones. One TRM checkpoint scores 41.75 % "
        "with its average and 3.25 % without.",
    )
    import_only: bool = field(
        False, "Import only", "End at step 0 with these weights: to evaluate them, or to ask them tasks."
    )


class RunStart(Config):
    """Weights of a checkpoint of another run of this lab: a fork."""

    kind: Literal["run"] = "run"
    run: str = field(
        "",
        "Run",
        "Id of the run. Its checkpoints must be in the same artifacts folder or object store.",
        min_length=1,
        max_length=120,
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$",
    )
    step: int = field(0, "Step", "Of the checkpoint.", unit="steps", ge=0)
    part: Literal["all", "decoder"] = field(
        "all", "Part", "all: every weight. decoder: the core and its heads alone."
    )
    weights: Literal["ema", "raw"] = field(
        "ema", "Weights", "The moving average, or the raw ones that training itself went on from."
    )


StartConfig = Annotated[SeededStart | CheckpointStart | RunStart, Field(discriminator="kind")]


class PlacementConfig(Config):
    """Which machines may train the run. It changes no number, so seeds may differ in it."""

    labels: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$")], ...] = field(
        (), "Labels", "All that a worker must have been started with: etrm worker --labels.", max_length=16
    )
    memory_gib: float = field(
        0.0,
        "Memory",
        "Least memory of the worker's device (its GPU, else the machine); 0 takes any.",
        unit="GiB",
        ge=0,
        le=1_000_000,
    )


class TrainingConfig(Config):
    """How long, how wide, on what, and how often things are written down."""

    steps: int = field(
        100_000, "Steps", "Optimiser steps; each is one ACT step of the batch.", unit="steps", ge=1
    )
    batch_size: int = field(
        256, "Batch size", "Samples per step over all devices.", unit="samples", ge=1, le=65536
    )
    device: Literal["auto", "cpu", "cuda"] = field("auto", "Device", "auto takes a GPU where there is one.")
    precision: Literal["fp32", "bf16", "bf16_weights"] = field(
        "fp32",
        "Precision",
        "Arithmetic of the blocks; the loss is always float64. bf16: weights stay fp32 and are cast where "
        "they are used. bf16_weights: weights are kept in bf16 too, at half the memory, and are rounded "
        "stochastically.",
    )
    processes: int = field(
        1,
        "GPUs",
        "Processes that share each batch on one machine, one GPU each (torchrun). The batch size is that of "
        "all together.",
        ge=1,
        le=64,
    )
    accumulate: int = field(
        1,
        "Gradient accumulation",
        "Parts a process works its share of the batch off in, to need less memory; the numbers stay the "
        "same but for rounding.",
        unit="parts",
        ge=1,
        le=4096,
        advanced=True,
    )
    compile: bool = field(
        False,
        "Compile",
        "Let torch.compile fuse the blocks: slower to start, then faster. It needs Python's headers "
        "(python3-dev), gcc on a GPU, g++ on a CPU and, on x86, AVX-512. Numbers differ by rounding.",
        advanced=True,
    )
    initialise_from: StartConfig = field(
        SeededStart, "Initialise from", "Where the initial weights come from."
    )
    log_every: int = field(10, "Log every", "Steps between recorded points.", unit="steps", ge=1)
    checkpoint_every: int = field(1000, "Checkpoint every", "Steps between checkpoints.", unit="steps", ge=1)
    keep_checkpoints: int = field(
        3, "Keep checkpoints", "Number of newest checkpoints to keep.", ge=1, le=1000, advanced=True
    )
    keep_best: int = field(
        1,
        "Keep best",
        "Number of best checkpoints to keep besides; what an alias, a fork, an evaluation or a dashboard "
        "needs stays in any case.",
        ge=0,
        le=1000,
        advanced=True,
    )
    best_by: str = field(
        "pass@1",
        "Best by",
        "What the best are best at: pass@1 of the run's own evaluations (evaluation.every), on the first "
        "held-out set unless it says pass@1 on SET; or a recorded series such as loss or accuracy/token.",
        min_length=1,
        max_length=MAX_LENGTH,
        advanced=True,
    )
    best_is: Direction = field(
        "auto", "Best is", "auto: pass@k the higher, a series as it is known to be better.", advanced=True
    )

    @property
    def retention(self) -> Policy:
        """Which checkpoints stay."""
        return Policy(self.keep_checkpoints, self.keep_best, goal_of(self.best_by, self.best_is))

    @model_validator(mode="after")
    def _best_has_a_measure(self) -> TrainingConfig:
        try:
            goal_of(self.best_by, self.best_is)
        except ValueError as error:
            raise ValueError(f"best_by {error}") from None
        return self

    @model_validator(mode="after")
    def _parts_are_equal(self) -> TrainingConfig:
        parts = self.processes * self.accumulate
        if self.batch_size % parts:
            raise ValueError(
                f"batch_size {self.batch_size} must be a multiple of processes x accumulate = {parts}: "
                f"try {parts * max(1, round(self.batch_size / parts))}"
            )
        return self
