"""Test-time training: what of a model learns from a task's own demonstrations before it answers."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from backend.domain.experiment.fields import Config, field


def _learning_rate(default: float, moved: str) -> Any:
    return field(default, "Learning rate", f"Constant, of {moved}.", gt=0, le=1)


class NoAdaptation(Config):
    """The weights of the checkpoint answer every task, as published."""

    kind: Literal["none"] = "none"


class _Learns(Config):
    """What every kind of adaptation has."""

    steps: int = field(
        100,
        "Steps",
        "Optimiser steps per task. As in training each is one ACT step of a batch of leave-one-out queries.",
        unit="steps",
        ge=1,
        le=100_000,
    )
    batch_size: int = field(
        16, "Batch size", "Demonstrations asked per step.", unit="samples", ge=1, le=4096, advanced=True
    )
    augmentations: int = field(
        31,
        "Augmentations",
        "Augmented forms of the task that are learned besides the original. In TRM each form has an "
        "embedding of its own and no other form votes, so this is one less than the number of views.",
        unit="forms",
        ge=0,
        le=10_000,
    )
    most_decodes: int | None = field(
        None,
        "Compute cap",
        "Maximum number of demonstrations decoded per task; a step counts each three times, for its backward "
        "pass. Learning ends before the step that would exceed it. Empty means no cap.",
        unit="decodes",
        ge=1,
        le=100_000_000,
        advanced=True,
    )


class EmbeddingAdaptation(_Learns):
    """TRM only: the embedding of the task, by sign-SGD as in training. No weight changes, so a task that was
    never trained on gets an embedding, and one that was gets a better one.
    """

    kind: Literal["embedding"] = "embedding"
    learning_rate: float = _learning_rate(1e-2, "the sign-SGD on the rows of the task")


class EncoderAdaptation(_Learns):
    """ETRM only: every weight of the context encoder; core and heads stay as they are."""

    kind: Literal["encoder"] = "encoder"
    learning_rate: float = _learning_rate(1e-4, "Adam-atan2 on the encoder's weights")


class AdapterAdaptation(_Learns):
    """Low-rank adapters beside every linear layer (LoRA, arXiv 2106.09685); the weights stay as they are.
    TRM learns the task's embedding as well, at the learning rate of its training.
    """

    kind: Literal["adapters"] = "adapters"
    learning_rate: float = _learning_rate(1e-3, "Adam-atan2 on the adapters")
    rank: int = field(8, "Rank", "Of each adapter; at most that of its layer.", ge=1, le=256)


class FullAdaptation(_Learns):
    """Every weight. TRM learns the task's embedding as well, at the learning rate of its training."""

    kind: Literal["all"] = "all"
    learning_rate: float = _learning_rate(1e-4, "Adam-atan2 on all weights")


LearningAdaptation = EmbeddingAdaptation | EncoderAdaptation | AdapterAdaptation | FullAdaptation
AdaptationConfig = Annotated[NoAdaptation | LearningAdaptation, Field(discriminator="kind")]
_ADAPTATION: TypeAdapter[AdaptationConfig] = TypeAdapter(AdaptationConfig)


def adaptation_label(adaptation: AdaptationConfig) -> str:
    """An adaptation with its settings in one line; empty for none."""
    if isinstance(adaptation, NoAdaptation):
        return ""
    what = "all weights" if isinstance(adaptation, FullAdaptation) else adaptation.kind
    parts = [f"learns {what} {adaptation.steps} x {adaptation.learning_rate:g}"]
    parts += [f"rank {adaptation.rank}"] if isinstance(adaptation, AdapterAdaptation) else []
    parts += [f"batch {adaptation.batch_size}", f"{1 + adaptation.augmentations} forms"]
    parts += [f"at most {adaptation.most_decodes}"] if adaptation.most_decodes else []
    return ", ".join(parts)


def adaptation_words(key: str) -> str:
    """The same of the JSON that identifies an evaluation's adaptation; empty for none."""
    adaptation = _parsed(key)
    return key if adaptation is None else adaptation_label(adaptation)


def adaptation_key(adaptation: AdaptationConfig) -> str:
    """An adaptation as canonical JSON; empty for none."""
    if isinstance(adaptation, NoAdaptation):
        return ""
    return json.dumps(adaptation.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))


def normalised_adaptation(key: str) -> str:
    """Equal for equal adaptations, whether or not a field with its default value was stored."""
    adaptation = _parsed(key)
    return key if adaptation is None else adaptation_key(adaptation)


def adaptation_of(key: str) -> AdaptationConfig | None:
    """The adaptation that such JSON identifies; None where this version cannot read it."""
    return _parsed(key)


@lru_cache(maxsize=256)
def _parsed(key: str) -> AdaptationConfig | None:
    """The adaptation of such JSON; None where another version wrote what this one cannot read."""
    try:
        return _ADAPTATION.validate_json(key) if key else NoAdaptation()
    except ValidationError:
        return None
