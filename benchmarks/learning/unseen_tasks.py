"""Does TRM solve tasks it was trained without, once it learns their embeddings from their demonstrations?

Trains the control's TRM (variant f of `etrm control`) on its training rules alone and scores it on held-out
rules: as it is, where no task has an embedding; after learning the embeddings alone; and, at the same number
of decodes, after learning adapters or all weights. JSON lines: tasks solved with their Wilson interval, what
learning a task took, and the paired difference from the model as it is, with its 95 % bootstrap interval. It
ends with status 1 where that of the embeddings is not above zero.

    python -m benchmarks.learning.unseen_tasks [--steps 900] [--tasks 100] [--learning-steps 50]
        [--out FOLDER]

A training of 900 steps and, for each task, some seconds a row. With `--out` the training is kept, and
continued the next time.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backend.domain.experiment import (
    AdaptationConfig,
    AdapterAdaptation,
    EmbeddingAdaptation,
    ExperimentConfig,
    FullAdaptation,
    NoAdaptation,
)
from backend.domain.records import Score
from backend.domain.statistics import paired_bootstrap, task_scores
from benchmarks.learning.trained import changed, emit
from worker.data.sets import BuiltinTasks
from worker.experiments.control.variants import FULL, TEST_SET, variants
from worker.kit.device import make_cpu_reproducible
from worker.kit.recorder import NullRecorder
from worker.training.scoring import OutcomeFile, score_settings
from worker.training.stop import StopSignal
from worker.training.trainer import train

BATCH = 8  # demonstrations asked per learning step; the control's tasks have three
LEARNING_RATE = 0.05  # of the embedding: five times that of training, since it has so few steps


def config_of(steps: int, seed: int) -> ExperimentConfig:
    """The control's TRM, scored afterwards alone."""
    (trm,) = (each.config for each in variants(FULL) if each.letter == "f")
    training = {"steps": steps, "checkpoint_every": steps}
    scored = {"sets": [{"name": TEST_SET, "first_tasks": 1}], "every": None}
    return changed(trm, training=training, evaluation=scored).model_copy(update={"seed": seed})


def adaptations(steps: int) -> list[AdaptationConfig]:
    """What is compared, all at the same number of decodes."""
    shared: Mapping[str, Any] = {"steps": steps, "batch_size": BATCH, "augmentations": 0}
    return [
        NoAdaptation(),
        EmbeddingAdaptation(**shared, learning_rate=LEARNING_RATE),
        AdapterAdaptation(**shared),
        FullAdaptation(**shared, learning_rate=2e-3),
    ]


def line(file: OutcomeFile, plain: OutcomeFile) -> dict[str, Any]:
    """What an adaptation came to, beside the model as it is."""
    assert file.summary
    scores, extras = _scores(file), file.summary.extras
    score = Score(sum(scores.values()), len(scores))  # of all tasks, those without an embedding too
    found: dict[str, Any] = {
        "adaptation": file.key.adaptation or "none",
        "solved": score.solved,
        "n": score.n,
    }
    found["interval"] = [round(each, 3) for each in score.interval]
    if file is not plain:
        gain = paired_bootstrap(_scores(file), _scores(plain))
        found |= {"gain": round(gain.mean, 3), "gain_interval": [round(gain.low, 3), round(gain.high, 3)]}
        found["decodes_per_task"] = extras["adaptation_decodes"] / extras["adapted_tasks"]
        found["seconds_per_task"] = round(extras["adaptation_seconds"] / extras["adapted_tasks"], 2)
    return found


def _scores(file: OutcomeFile) -> dict[str, float]:
    ranks: dict[str, list[int | None]] = {}
    for outcome in file.outcomes:
        ranks.setdefault(outcome.task_id, []).append(outcome.truth_rank)
    return dict(task_scores(ranks, 1))


def main() -> int:
    """Train, score, print; 1 where learning the embeddings is not clearly better than not."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=900, help="of training")
    parser.add_argument("--tasks", type=int, default=100, help="held-out ones that are scored")
    parser.add_argument("--learning-steps", type=int, default=50, help="per task")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="folder of the training")
    asked = parser.parse_args()
    make_cpu_reproducible()
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.out or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        source, stop = BuiltinTasks(), StopSignal()
        train(config_of(asked.steps, asked.seed), source, NullRecorder(), folder, stop)
        sets = [{"name": TEST_SET, "first_tasks": asked.tasks}]
        plain: OutcomeFile | None = None
        clear = False
        for adaptation in adaptations(asked.learning_steps):
            change = {"adaptation": adaptation.model_dump(), "sets": sets}
            (file,) = score_settings(folder, [change], source, NullRecorder(), stop)
            plain = plain or file
            told = line(file, plain)
            emit({"seed": asked.seed, **told})
            if isinstance(adaptation, EmbeddingAdaptation):
                clear = told["gain_interval"][0] > 0
    return 0 if clear else 1


if __name__ == "__main__":
    sys.exit(main())
