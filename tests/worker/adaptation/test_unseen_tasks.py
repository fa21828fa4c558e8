"""Acceptance of test-time training: TRM solves tasks it was trained without after learning their rows.

`benchmarks/learning/unseen_tasks.py` measures the same at the control's full length.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.domain.config.problems import parse_experiment
from backend.domain.experiment import EmbeddingAdaptation, NoAdaptation
from backend.domain.statistics import paired_bootstrap, task_scores
from worker.data.sets import BuiltinTasks
from worker.experiments.control.variants import FULL, TEST_SET, variants
from worker.kit.recorder import NullRecorder
from worker.training.scoring import OutcomeFile, score_settings
from worker.training.stop import StopSignal
from worker.training.trainer import train

TASKS = 10


def scores(file: OutcomeFile) -> dict[str, float]:
    return dict(task_scores({each.task_id: [each.truth_rank] for each in file.outcomes}, 1))


@pytest.mark.slow
def test_trm_solves_more_of_the_tasks_it_was_trained_without_after_learning_their_embeddings(
    tmp_path: Path,
) -> None:
    (trm,) = (each.config for each in variants(FULL) if each.letter == "f")
    raw = trm.model_dump(mode="json")
    raw["training"] |= {"steps": 250, "batch_size": 64, "checkpoint_every": 250}
    raw["data"] |= {"first_tasks": 64}
    raw["evaluation"] |= {"sets": [{"name": TEST_SET, "first_tasks": 1}], "every": None}
    source, stop = BuiltinTasks(), StopSignal()
    train(parse_experiment(raw), source, NullRecorder(), tmp_path, stop)
    learned = EmbeddingAdaptation(steps=40, batch_size=8, augmentations=0, learning_rate=0.05)
    sets = [{"name": TEST_SET, "first_tasks": TASKS}]
    changes = [{"adaptation": each.model_dump(), "sets": sets} for each in (NoAdaptation(), learned)]
    before, after = score_settings(tmp_path, changes, source, NullRecorder(), stop)
    gain = paired_bootstrap(scores(after), scores(before))
    assert gain.low > 0, (before.summary, after.summary)
    assert after.summary
    assert after.summary.extras["adapted_tasks"] == TASKS
    assert after.summary.extras["adaptation_decodes"] == TASKS * 40 * 8 * 3
