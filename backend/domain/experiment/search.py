"""Guided refinement at test time: how a latent is moved towards explaining the demonstrations."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from backend.domain.experiment.fields import Config, field


def _start() -> Any:
    return field(
        "encoder",
        "Start",
        "encoder: from the latent of the encoder. random: from a standard normal draw instead, which shows "
        "what the search finds on its own.",
    )


def _leave_one_out() -> Any:
    return field(
        False,
        "Leave one out",
        "Ask each demonstration with a latent that was computed from the others. One move is sought that "
        "helps them all, and it is then applied to the latent of all demonstrations.",
    )


def _most_decodes() -> Any:
    return field(
        None,
        "Compute cap",
        "Maximum number of demonstrations decoded per view; a gradient step counts three times, for its "
        "backward pass. The search ends before the step that would exceed it. Empty means no cap.",
        unit="decodes",
        ge=1,
        le=10_000_000,
    )


class NoSearch(Config):
    """The latent of the encoder as it is, as published."""

    kind: Literal["none"] = "none"


class GradientSearch(Config):
    """Gradient steps in the latent alone, towards the likelihood of the demonstrations' outputs (LPN,
    arXiv 2411.08706); the best latent on the way is kept.
    """

    kind: Literal["gradient"] = "gradient"
    steps: int = field(100, "Steps", "Gradient steps.", unit="steps", ge=1, le=10_000)
    learning_rate: float = field(
        0.1, "Learning rate", "Size of a step per number of the latent, before Adam settles.", gt=0, le=100
    )
    optimiser: Literal["adam", "normalised"] = field(
        "adam",
        "Optimiser",
        "adam: with beta 2 of 0.9, as in LPN. normalised: along the gradient, each step of the same size, "
        "as the latent steps in training.",
    )
    start: Literal["encoder", "random"] = _start()
    leave_one_out: bool = _leave_one_out()
    most_decodes: int | None = _most_decodes()


class RandomSearch(Config):
    """Latents drawn around the start, all asked; the best is kept. Needs no gradient: what gradient search is
    to be measured against at the same compute.
    """

    kind: Literal["random"] = "random"
    samples: int = field(100, "Samples", "Latents drawn per view.", unit="latents", ge=1, le=10_000)
    scale: float = field(0.5, "Scale", "Standard deviation of the draws around the start.", gt=0, le=100)
    start: Literal["encoder", "random"] = _start()
    leave_one_out: bool = _leave_one_out()
    most_decodes: int | None = _most_decodes()


SearchConfig = Annotated[NoSearch | GradientSearch | RandomSearch, Field(discriminator="kind")]
_SEARCH: TypeAdapter[SearchConfig] = TypeAdapter(SearchConfig)


def search_label(search: SearchConfig) -> str:
    """A search with its settings in one line, part of what identifies an evaluation; empty for none."""
    if isinstance(search, NoSearch):
        return ""
    if isinstance(search, GradientSearch):
        parts = [f"gradient {search.steps} x {search.learning_rate:g}"]
        parts += ["normalised"] if search.optimiser == "normalised" else []
    else:
        parts = [f"random {search.samples} x {search.scale:g}"]
    parts += ["from random"] if search.start == "random" else []
    parts += ["leave one out"] if search.leave_one_out else []
    parts += [f"at most {search.most_decodes}"] if search.most_decodes else []
    return ", ".join(parts)


def search_words(key: str) -> str:
    """The same of the JSON that identifies an evaluation's search; empty for none."""
    search = _parsed(key)
    return key if search is None else search_label(search)


def search_key(search: SearchConfig) -> str:
    """A search as canonical JSON; empty for none."""
    if isinstance(search, NoSearch):
        return ""
    return json.dumps(search.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))


def normalised_key(key: str) -> str:
    """Equal for equal searches, whether or not a field with its default value was stored."""
    search = _parsed(key)
    return key if search is None else search_key(search)


@lru_cache(maxsize=256)
def _parsed(key: str) -> SearchConfig | None:
    """The search of such JSON; None where another version wrote what this one cannot read."""
    try:
        return _SEARCH.validate_json(key) if key else NoSearch()
    except ValidationError:
        return None
