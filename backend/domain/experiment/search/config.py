"""Guided refinement at test time: how a latent is moved towards explaining the demonstrations."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, model_validator

from backend.domain.experiment.fields import Config, field

Selection: TypeAlias = Literal["all", "held_out"]
OtherStarts: TypeAlias = Literal["perturbations", "demonstrations"]


def _start() -> Any:
    return field(
        "encoder",
        "Start",
        "encoder: from the latent of the encoder, or from TRM's puzzle embedding. random: from a standard "
        "normal draw instead, which shows what the search finds on its own.",
    )


def _starts() -> Any:
    return field(
        1,
        "Starts",
        "Searches side by side for each view; the best latent of all is kept. The first begins where `start` "
        "says, the others as `other_starts` says.",
        unit="starts",
        ge=1,
        le=64,
        advanced=True,
    )


def _other_starts() -> Any:
    return field(
        "perturbations",
        "Other starts",
        "perturbations: the first start plus normal noise. demonstrations: the latents that the encoder "
        "makes of a single demonstration, one after another; when these run out, perturbations.",
        advanced=True,
    )


def _perturbation() -> Any:
    return field(
        0.5,
        "Perturbation",
        "Standard deviation of that noise, per number of the latent.",
        ge=0,
        le=100,
        advanced=True,
    )


def _leave_one_out() -> Any:
    return field(
        False,
        "Leave one out",
        "Ask each demonstration with a latent that was computed from the others. One move is sought that "
        "helps them all, and it is then applied to the latent of all demonstrations.",
    )


def _act_steps() -> Any:
    return field(
        None,
        "ACT steps asked",
        "ACT steps after which a demonstration's answer is scored; empty means all that the evaluation runs, "
        "so that a latent is judged as it will be used. Fewer are cheaper.",
        unit="ACT steps",
        ge=1,
        le=256,
    )


def _selection() -> Any:
    return field(
        "all",
        "Selected by",
        "all: the latent that explains all demonstrations best is kept. held_out: the last demonstration has "
        "no part in the search, and the latent that explains it best is kept; until then it is hidden from "
        "the encoder, too. A task with one demonstration is searched as with all.",
    )


def _patience() -> Any:
    return field(
        None,
        "Patience",
        "A view's search stops after so many steps in a row without a better latent by `selection`. Empty: "
        "never early.",
        unit="steps",
        ge=1,
        le=10_000,
        advanced=True,
    )


def _most_decodes() -> Any:
    return field(
        None,
        "Compute cap",
        "Maximum number of decodes per view: passes of one demonstration through the core, one for each ACT "
        "step. A way back counts as two more for each ACT step that it goes through. The search ends before "
        "the step that would exceed it; the start is always asked. Empty means no cap.",
        unit="decodes",
        ge=1,
        le=10_000_000,
    )


def _most_seconds() -> Any:
    return field(
        None,
        "Time cap",
        "Seconds per view; a batch of n views is searched for n times as long. How far that goes depends on "
        "the machine, unlike the compute cap. Empty means no cap.",
        unit="s",
        gt=0,
        le=86_400,
        advanced=True,
    )


class NoSearch(Config):
    """The latent of the encoder as it is, as published."""

    kind: Literal["none"] = "none"


class GradientSearch(Config):
    """Gradient steps in the latent alone, towards the likelihood of the demonstrations' outputs (LPN,
    arXiv 2411.08706); the best latent on the way is kept.
    """

    kind: Literal["gradient"] = "gradient"
    steps: int = field(100, "Steps", "Gradient steps.", unit="steps", ge=0, le=10_000)
    learning_rate: float = field(
        0.1,
        "Learning rate",
        "Size of a step per number of the latent with adam (before it settles), sign and normalised; with "
        "sgd it multiplies the gradient.",
        ge=0,
        le=100,
    )
    optimiser: Literal["adam", "normalised", "sign", "sgd"] = field(
        "adam",
        "Optimiser",
        "adam: with beta 2 of 0.9, as in LPN. normalised: along the gradient, each step of the same size, "
        "as the latent steps in training. sign: by the sign of the gradient, as TRM learns its embeddings. "
        "sgd: plain, whose steps are as small as the gradient is.",
    )
    schedule: Literal["constant", "cosine"] = field(
        "constant",
        "Schedule",
        "constant: the learning rate stays. cosine: it falls to zero over the steps that a view may take.",
        advanced=True,
    )
    gradient: Literal["last_cycle", "full"] = field(
        "last_cycle",
        "Gradient through",
        "last_cycle: the last cycle of the last ACT step, as in training; memory does not grow with depth. "
        "full: every cycle of every ACT step: the exact gradient, for as many times the memory.",
        advanced=True,
    )
    start: Literal["encoder", "random"] = _start()
    starts: int = _starts()
    other_starts: OtherStarts = _other_starts()
    perturbation: float = _perturbation()
    leave_one_out: bool = _leave_one_out()
    act_steps: int | None = _act_steps()
    selection: Selection = _selection()
    patience: int | None = _patience()
    most_decodes: int | None = _most_decodes()
    most_seconds: float | None = _most_seconds()

    @model_validator(mode="after")
    def _starts_can_be_had(self) -> GradientSearch:
        _check_starts(self)
        return self


class EvolutionarySearch(Config):
    """CMA-ES around each start (Hansen 2016, arXiv 1604.00772), with a full covariance for latents of up to
    128 numbers and a diagonal one beyond. Needs no gradient, so depth costs it no memory;
    the best latent on the way is kept.
    """

    kind: Literal["evolutionary"] = "evolutionary"
    generations: int = field(25, "Generations", "Generations.", unit="steps", ge=0, le=10_000)
    population: int | None = field(
        None,
        "Population",
        "Latents drawn in each generation; empty: 4 + 3 ln n for a latent of n numbers.",
        unit="latents",
        ge=4,
        le=1024,
    )
    scale: float = field(
        0.5, "Scale", "Standard deviation of the first generation around its start.", ge=0, le=100
    )
    start: Literal["encoder", "random"] = _start()
    starts: int = _starts()
    other_starts: OtherStarts = _other_starts()
    perturbation: float = _perturbation()
    leave_one_out: bool = _leave_one_out()
    act_steps: int | None = _act_steps()
    selection: Selection = _selection()
    patience: int | None = _patience()
    most_decodes: int | None = _most_decodes()
    most_seconds: float | None = _most_seconds()

    @model_validator(mode="after")
    def _starts_can_be_had(self) -> EvolutionarySearch:
        _check_starts(self)
        return self


class RandomSearch(Config):
    """Latents drawn around the start, all asked; the best is kept. Needs no gradient: what the other searches
    are to be measured against at the same compute.
    """

    kind: Literal["random"] = "random"
    samples: int = field(100, "Samples", "Latents drawn per view.", unit="latents", ge=0, le=1_000_000)
    scale: float = field(0.5, "Scale", "Standard deviation of the draws around the start.", ge=0, le=100)
    start: Literal["encoder", "random"] = _start()
    leave_one_out: bool = _leave_one_out()
    act_steps: int | None = _act_steps()
    selection: Selection = _selection()
    patience: int | None = _patience()
    most_decodes: int | None = _most_decodes()
    most_seconds: float | None = _most_seconds()


MovingSearch: TypeAlias = GradientSearch | EvolutionarySearch | RandomSearch
SearchConfig = Annotated[NoSearch | MovingSearch, Field(discriminator="kind")]


def _check_starts(search: GradientSearch | EvolutionarySearch) -> None:
    if search.starts > 1 and search.start == "random" and search.other_starts == "demonstrations":
        raise ValueError(
            "other_starts demonstrations begins at latents of the encoder, and start random does without it: "
            "set start encoder, or other_starts perturbations"
        )
