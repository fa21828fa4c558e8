"""A training of a few seconds on real tasks, for tests of everything around it."""

from __future__ import annotations

from collections.abc import Mapping

from backend.domain.config.presets import quick
from backend.domain.experiment import ExperimentConfig
from backend.domain.metrics import metric

STEPS = 100
CHECKPOINT_EVERY = 10
MACHINE_DEPENDENT = ("samples_per_second", "memory_bytes")


def tiny() -> ExperimentConfig:
    """A few seconds of training on real tasks, all points recorded, and a small evaluation."""
    config = quick()
    core = config.model.core.model_copy(update={"width": 16, "heads": 2, "layers": 1, "context_tokens": 4})
    return config.model_copy(
        update={
            "name": "tiny",
            "model": config.model.model_copy(update={"core": core}),
            "data": config.data.model_copy(update={"first_tasks": 8}),
            "training": config.training.model_copy(
                update={
                    "steps": STEPS,
                    "batch_size": 4,
                    "log_every": 1,
                    "checkpoint_every": CHECKPOINT_EVERY,
                }
            ),
            "evaluation": config.evaluation.model_copy(
                update={
                    "sets": tuple(
                        each.model_copy(update={"first_tasks": 2}) for each in config.evaluation.sets[:1]
                    ),
                    "views": 2,
                }
            ),
        }
    )


def numbers(points: Mapping[str, dict[int, float]]) -> dict[str, dict[int, float]]:
    """The points that depend on the experiment alone."""
    return {
        name: curve
        for name, curve in points.items()
        if name not in MACHINE_DEPENDENT and not metric(name).is_of_system
    }
