"""How a task is learned, as a config of the training loop: the run's, less what one task cannot use."""

from __future__ import annotations

from backend.domain.experiment import (
    EmbeddingAdaptation,
    ExperimentConfig,
    LearningAdaptation,
    NoContrast,
    TrmModel,
)


def learning_config(config: ExperimentConfig, adaptation: LearningAdaptation) -> ExperimentConfig:
    """The run's config with the length, batch, learning rate and forms of the adaptation.

    Losses, halting, clipping, decay and latent steps stay those of the run. A constant learning rate takes
    the place of its schedule; a contrast between tasks, probes, histograms and freezing have no meaning for
    one task.
    """
    changes = {
        "data": {"augmentations": adaptation.augmentations, "query": "any"},
        "optimisation": {
            "learning_rate": adaptation.learning_rate,
            "encoder_learning_rate": None,
            "warmup_steps": 0,
            "schedule": "constant",
            "ema_decay": 0.0,
            "freeze": "none",
        },
        "objective": {"contrast": NoContrast(), "kl_annealing_steps": 0},
        "training": {
            "steps": adaptation.steps,
            "batch_size": adaptation.batch_size,
            "accumulate": 1,
            "processes": 1,
            "compile": False,
        },
        "health": {"probe_every": None, "histogram_every": None},
    }
    if isinstance(config.model, TrmModel) and isinstance(adaptation, EmbeddingAdaptation):
        changes["model"] = {"embedding_learning_rate": adaptation.learning_rate}
    sections = {name: getattr(config, name).model_copy(update=changed) for name, changed in changes.items()}
    return config.model_copy(update=sections)
