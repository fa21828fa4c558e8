"""A small TRM that has learned tasks of the control, in a lab: trained in seconds, ready to be ablated."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from backend.artifacts.manifest import MANIFEST
from backend.data import service as datasets
from backend.db.session import reading_scope, session_scope
from backend.domain.experiment import EvaluationSet, ExperimentConfig
from backend.domain.records import Checkpoint
from backend.domain.trained_on import TrainedOn
from backend.evaluation import jobs as evaluation_queue
from backend.runs import checkpoints, trained_on
from backend.runs.status import RunStatus
from backend.scores import job_queries as jobs
from backend.settings import Settings
from tests.support.records.rows import add_run
from worker.data.sets import BuiltinTasks
from worker.experiments.control.variants import TEST_SET, Scale, variants
from worker.kit.recorder import NullRecorder
from worker.recording.database_tasks import DbTasks
from worker.service.evaluate import _Work
from worker.training.checkpoints.checkpoint import find
from worker.training.stop import StopSignal
from worker.training.trainer import train

RUN = "aaaaaaaaaa"
ASKED_SET, OTHER_SET = "mine/asked", "mine/other"
ASKED = OTHERS = 12  # tasks
STEPS = 300


class TrainedOnRecorder(NullRecorder):
    """Keeps what the run is trained on."""

    record: TrainedOn

    def trained_on(self, record: TrainedOn) -> TrainedOn:
        self.record = record
        return record


@dataclass(frozen=True)
class Ablatable:
    """A lab with one run that has a checkpoint."""

    engine: Engine
    settings: Settings

    def compute(self) -> int:
        """What a worker would: every evaluation that waits. How many these were."""
        done = 0
        while waiting := self._waiting():
            for evaluation_id in waiting:
                with session_scope(self.engine) as session:
                    share = evaluation_queue.claim(session, evaluation_id, "w1")
                assert share
                _Work(self.engine, self.settings, share, StopSignal()).to_the_end()
                done += 1
        return done

    def _waiting(self) -> list[int]:
        with reading_scope(self.engine) as session:
            return list(jobs.queued_ids(session))


def config() -> ExperimentConfig:
    """The control's TRM, which trains on the demonstrations of the tasks that it is asked."""
    scale = Scale(steps=1, batch=64, test_tasks=ASKED, evaluate_every=STEPS, budgets=(), letters="d")
    (variant,) = variants(scale)
    base = variant.config
    return base.model_copy(
        update={
            "data": base.data.model_copy(update={"training_sets": (OTHER_SET,), "first_tasks": None}),
            "training": base.training.model_copy(
                update={"steps": STEPS, "checkpoint_every": STEPS, "precision": "fp32"}
            ),
            "evaluation": base.evaluation.model_copy(
                update={"sets": (EvaluationSet(name=ASKED_SET, first_tasks=None),), "every": None}
            ),
        }
    )


def ablatable(engine: Engine, artifacts: Path, run_id: str = RUN) -> Ablatable:
    """Import the tasks, train, and record the run and its checkpoint."""
    tasks = BuiltinTasks().tasks(TEST_SET)[: ASKED + OTHERS]
    with session_scope(engine) as session:
        for name, some in ((ASKED_SET, tasks[:ASKED]), (OTHER_SET, tasks[ASKED:])):
            content = {
                task.id: {
                    "train": [
                        {"input": pair.input.as_lists(), "output": pair.output.as_lists()}
                        for pair in task.demonstrations
                    ],
                    "test": [
                        {"input": test.input.as_lists(), "output": test.output.as_lists()}
                        for test in task.tests
                        if test.output
                    ],
                }
                for task in some
            }
            datasets.import_files(session, name, [(json.dumps(content).encode(), "tasks.json")])
    recorder = TrainedOnRecorder()
    train(config(), DbTasks(engine), recorder, artifacts / run_id, StopSignal())
    add_run(engine, run_id, config=config().model_dump(mode="json"), status=RunStatus.FINISHED)
    with session_scope(engine) as session:
        trained_on.record(session, run_id, recorder.record)
    record_checkpoint(engine, artifacts, run_id)
    return Ablatable(engine, Settings(artifacts=artifacts))


def record_checkpoint(engine: Engine, artifacts: Path, run_id: str) -> None:
    """The row of the newest checkpoint in the run's folder."""
    folder = find(artifacts / run_id)
    sha256 = hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()
    path = folder.relative_to(artifacts).as_posix()
    with session_scope(engine) as session:
        checkpoints.add(session, run_id, Checkpoint(STEPS, path, sha256, 1))
