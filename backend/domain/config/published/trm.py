"""TRM as published, and the settings that ETRM has from it."""

from __future__ import annotations

from backend.domain.config.published.setting import PublishedSetting, stated, with_others


def of_trm(source: str) -> tuple[PublishedSetting, ...]:
    """Core, canvas and optimiser, which ETRM has from TRM."""
    return (
        stated("model.core.width", 512, source),
        stated("model.core.heads", 8, source),
        stated("model.core.layers", 2, source),
        stated("model.core.expansion", 4.0, source),
        stated("model.core.h_cycles", 3, source),
        stated("model.core.l_cycles", 4, source),
        stated("model.core.context_tokens", 16, source),
        stated("model.act.max_steps", 16, source),
        stated("data.canvas_sizes", [30], source),
        stated("data.augmentations", 1000, source, says="drawn once and stored, up to 5,000 tries per task"),
        stated("data.translation", True, source),
        stated("data.corner_pair", True, source),
        stated(
            "",
            "one offset per pair of a form, stored",
            source,
            "pairs are placed at random at every visit, where the published data holds one place per pair of "
            "a form",
            "offsets",
        ),
        stated(
            "",
            "a pair that no longer fits into its batch is dropped",
            source,
            "pairs that do not fit into a batch open the next one, where the published sampler drops them",
            "end of a batch",
        ),
        stated(
            "data.on_leak",
            "keep",
            source,
            "a training task that holds a pair of an evaluated one is left out (2 of the 400 of ARC-AGI-1), "
            "where it was trained on",
        ),
        stated("objective.contrast.kind", "none", source),
        stated("objective.kl_annealing_steps", 0, source),
        stated("objective.latent_steps", 0, source),
        stated("optimisation.learning_rate", 1e-4, source),
        stated("optimisation.encoder_learning_rate", None, source),
        stated("optimisation.freeze", "none", source),
        stated("optimisation.warmup_steps", 2000, source),
        stated("optimisation.schedule", "constant", source),
        stated("optimisation.weight_decay", 0.1, source),
        stated("optimisation.beta1", 0.9, source),
        stated("optimisation.beta2", 0.95, source),
        stated("optimisation.ema_decay", 0.999, source),
        stated("training.precision", "bf16", source),
        stated("evaluation.weights", "ema", source),
        stated("evaluation.act_steps", None, source, says="all 16"),
        stated("evaluation.views", 1001, source, says="the original and about 1,000 augmentations"),
        stated("evaluation.distinct_views", True, source),
        stated("evaluation.search.kind", "none", source),
        stated("evaluation.adaptation.kind", "none", source),
    )


TRM_ARC1 = with_others(
    of_trm("TRM code"),
    stated("model.act.exploration", 0.1, "TRM code"),
    stated("model.embedding_width", 512, "TRM code"),
    stated("model.embedding_learning_rate", 1e-2, "TRM code"),
    stated("model.embedding_weight_decay", 0.1, "TRM code"),
    stated("data.training_sets", ["arc-agi-1/training", "concept"], "TRM code", says="400 + 160 tasks"),
    stated("data.evaluation_demonstrations", True, "TRM code"),
    stated("data.demonstrations_of", "set", "TRM code", says="of all 400 evaluation tasks"),
    stated(
        "data.distinct_augmentations",
        True,
        "TRM code",
        says="876,406 puzzle ids",
    ),
    stated("data.query", "each", "TRM code", says="all pairs of a visited puzzle, in one augmentation"),
    stated("optimisation.gradient_clip", None, "TRM code"),
    stated("training.steps", 518_071, "TRM checkpoint", says="100,000 epochs at most"),
    stated("training.batch_size", 768, "TRM paper"),
    stated("training.initialise_from.kind", "seed", "TRM code"),
    stated("evaluation.sets.0.name", "arc-agi-1/evaluation", "TRM code"),
    stated("evaluation.sets.0.first_tasks", None, "TRM code", says="all 400"),
    stated(
        "",
        "told apart with their test outputs",
        "TRM code",
        "forms are told apart by what a solver may see, where the published data compares test outputs too",
        "equal views",
    ),
)
TRM_ARC2 = with_others(
    TRM_ARC1,
    stated("data.training_sets", ["arc-agi-2/training", "concept"], "TRM code", says="1,000 + 160 tasks"),
    stated("data.demonstrations_of", "set", "TRM code", says="of all 120 evaluation tasks"),
    stated("data.distinct_augmentations", True, "TRM code"),
    stated(
        "data.on_leak",
        "keep",
        "TRM code",
        "a training task that holds a pair of an evaluated one is left out, where it was trained on",
    ),
    stated(
        "training.steps",
        "100,000 epochs",
        "TRM code",
        "it takes the 518,071 steps of the ARC-AGI-1 checkpoint, where 100,000 epochs at most were published",
    ),
    stated("evaluation.sets.0.name", "arc-agi-2/evaluation", "TRM code"),
    stated("evaluation.sets.0.first_tasks", None, "TRM code", says="all 120"),
)
