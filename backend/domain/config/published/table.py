"""The table: what was published, by the preset that is held to it.

Each setting names a field of the config and the value that the authors' code or paper has for it, or what the
config has no field for. Where the preset has another value, or there is no field, `differs` says what and
why: the preset's description lists it, and `docs/published.md` sets both side by side.
"""

from __future__ import annotations

from collections.abc import Mapping

from backend.domain.config.published.etrm import DETERMINISTIC, ITERATIVE, ITERATIVE_TRAINED, VARIATIONAL
from backend.domain.config.published.lpn import LPN
from backend.domain.config.published.setting import PublishedSetting
from backend.domain.config.published.trm import TRM_ARC1, TRM_ARC2

PUBLISHED_SETTINGS: Mapping[str, tuple[PublishedSetting, ...]] = {
    "trm_arc1": TRM_ARC1,
    "trm_arc2": TRM_ARC2,
    "etrm_deterministic_arc1": DETERMINISTIC,
    "etrm_variational": VARIATIONAL,
    "etrm_iterative": ITERATIVE,
    "etrm_iterative_trained": ITERATIVE_TRAINED,
    "lpn": LPN,
}

# Fields that no publication has a value for: how the lab runs, records and watches, not what is computed; and
# settings of a choice that was not made.
OF_THE_LAB = (
    "schema_version", "name", "seed", "health.", "hypothesis.", "model.kind", "data.kind", "data.first_tasks",
    "data.task_ids", "training.device", "training.processes", "training.accumulate", "training.compile",
    "training.log_every", "training.checkpoint_every", "training.keep_checkpoints", "training.keep_best",
    "training.best_by", "training.best_is", "evaluation.batch_size", "evaluation.every",
    "evaluation.trim", "evaluation.keep_candidates", "evaluation.trace_steps",
    "evaluation.sets.0.that_fit", "evaluation.search.most_decodes", "optimisation.freeze_steps",
    "objective.latent_learning_rate", "data.demonstrations_of", "data.max_demonstrations", "placement.",
    "data.min_drawn_demonstrations", "data.max_drawn_demonstrations", "data.drawn_queries",
)  # fmt: skip
