"""What is minimised beside the loss of the predicted grid and of halting."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from backend.domain.experiment.fields import Config, field


def _weight() -> Any:
    return field(
        0.1,
        "Weight",
        "Of the contrastive term beside a mean prediction loss of a sample.",
        gt=0,
        le=1000,
    )


def _temperature() -> Any:
    return field(
        0.1,
        "Temperature",
        "Divides the cosines of contexts: the smaller, the more the nearest wrong task counts.",
        gt=0,
        le=10,
    )


def _tasks() -> Any:
    return field(
        16,
        "Tasks",
        "Different tasks drawn per step for the contrastive term, beside the batch.",
        unit="tasks",
        ge=2,
        le=4096,
    )


class NoContrast(Config):
    """No contrastive term, as published."""

    kind: Literal["none"] = "none"


class InfoNce(Config):
    """InfoNCE: each of two augmentations of a task must find the other among those of other tasks."""

    kind: Literal["infonce"] = "infonce"
    weight: float = _weight()
    temperature: float = _temperature()
    tasks: int = _tasks()


class SupCon(Config):
    """Supervised contrast: several augmentations of a task pull one another together, away from others."""

    kind: Literal["supcon"] = "supcon"
    weight: float = _weight()
    temperature: float = _temperature()
    tasks: int = _tasks()
    views: int = field(3, "Views", "Augmentations drawn per task.", unit="per task", ge=2, le=16)


ContrastConfig = Annotated[NoContrast | InfoNce | SupCon, Field(discriminator="kind")]


class ObjectiveConfig(Config):
    """Terms beside the published loss, and the search inside training that LPN has."""

    kl_annealing_steps: int = field(
        0,
        "KL annealing",
        "Steps over which the weight of the KL term rises from 0 to its full value; 0 starts at it.",
        unit="steps",
        ge=0,
        le=10_000_000,
    )
    contrast: ContrastConfig = field(
        NoContrast,
        "Contrastive term",
        "Pulls the contexts of augmentations of one task together and pushes other tasks' away.",
    )
    latent_steps: int = field(
        0,
        "Latent steps",
        "Gradient steps per training step that move the latent (the context, where there is none) towards "
        "explaining the shown demonstrations, before the query pair is drawn (LPN, arXiv 2411.08706).",
        unit="steps",
        ge=0,
        le=5,
    )
    latent_learning_rate: float = field(
        0.1, "Latent learning rate", "Size of a latent step.", gt=0, le=100, advanced=True
    )
