"""A training whose score falls keeps its best: real trainings on the CPU, through stops and new attempts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from sqlalchemy import Engine

from backend.db.session import reading_scope, session_scope
from backend.domain.experiment import ExperimentConfig
from backend.domain.records import EvaluationKey, EvaluationSummary, Score, TestOutcome
from backend.keeping import service as keeping
from backend.queue import claims as queue
from backend.runs import checkpoints
from backend.runs import queries as runs
from backend.workers import lease
from tests.support.passing_time import elapse
from tests.support.records.rows import add_run
from tests.support.records.tiny_runs import Memory, StopAfter, tiny
from worker.data.sets import BuiltinTasks
from worker.evaluation import evaluator
from worker.recording.database import DbRecorder
from worker.service.train import forget_unwritten
from worker.training.checkpoints import checkpoint
from worker.training.stop import StopSignal
from worker.training.trainer import train

RUN = "aaaaaaaaaa"
# By step, of 100 tasks: it rises to 8 % and falls to 2 %.
SOLVED = {10: 4, 20: 8, 30: 6, 40: 5, 50: 3, 60: 2}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def falling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every evaluation is a real one; only what it counts is told."""

    def told(key: EvaluationKey, outcomes: Sequence[TestOutcome], seconds: float) -> EvaluationSummary:
        assert outcomes
        return EvaluationSummary(key, {1: Score(SOLVED[key.step], 100)}, {}, seconds)

    monkeypatch.setattr(evaluator, "summarise", told)


def scored(**training: object) -> ExperimentConfig:
    evaluation = {"every": 10, "views": 1, "sets": [{"name": "arc-agi-1/training", "first_tasks": 1}]}
    return tiny(steps=60, evaluation=evaluation, training={"keep_checkpoints": 2, **training})


def steps_on_disk(folder: Path) -> list[int]:
    return [checkpoint.step_of(path) for path in checkpoint.list_checkpoints(folder)]


@pytest.mark.usefixtures("falling")
@pytest.mark.parametrize(("best", "kept"), [(0, [50, 60]), (1, [20, 50, 60]), (2, [20, 30, 50, 60])])
def test_the_best_stay_beside_the_newest(tmp_path: Path, best: int, kept: list[int]) -> None:
    train(scored(keep_best=best), BuiltinTasks(), Memory(), tmp_path, StopSignal())
    assert steps_on_disk(tmp_path) == kept


@pytest.mark.usefixtures("falling")
def test_a_resumed_training_knows_the_scores_of_before(tmp_path: Path) -> None:
    first = train(scored(), BuiltinTasks(), Memory(), tmp_path, StopAfter(33))
    assert first.stopped
    assert steps_on_disk(tmp_path)[0] == 20
    train(scored(), BuiltinTasks(), Memory(), tmp_path, StopSignal())
    assert steps_on_disk(tmp_path) == [20, 50, 60]


def test_a_recorded_series_is_read_at_its_last_point(tmp_path: Path) -> None:
    """The learning rate rises until step 20 and falls from there."""
    config = tiny(
        steps=60,
        evaluation={"sets": []},
        optimisation={"warmup_steps": 20, "schedule": "cosine"},
        training={
            "keep_checkpoints": 1,
            "best_by": "learning_rate",
            "best_is": "higher",
            "log_every": 5,
        },
    )
    memory = Memory()
    train(config, BuiltinTasks(), memory, tmp_path, StopAfter(38))
    train(config, BuiltinTasks(), memory, tmp_path, StopSignal())
    best = max(range(10, 61, 10), key=lambda step: memory.points[step]["learning_rate"])
    assert best == 20
    assert steps_on_disk(tmp_path) == [20, 60]
    measured = checkpoint.measured_of(checkpoint.find(tmp_path, 20), "learning_rate")
    assert measured == memory.points[20]["learning_rate"]


class Interfering(DbRecorder):
    """Somebody names step 30 while the training is on its way."""

    def evaluation_finished(self, summary: EvaluationSummary) -> None:
        super().evaluation_finished(summary)
        if summary.key.step == 30:
            self.flush()
            with session_scope(self._store._engine) as session:
                keeping.set_alias(session, RUN, "paper", 30)


def attempted(engine: Engine, artifacts: Path, stop: StopSignal) -> None:
    with session_scope(engine) as session:
        claim = queue.claim(session, RUN, "host.1.1.1")
        run = runs.get(session, RUN)
    assert claim
    assert run
    config = ExperimentConfig.model_validate(run.config)
    forget_unwritten(engine, artifacts / RUN, RUN, pytest.fail)
    recorder = Interfering(engine, RUN, claim.attempt, artifacts)
    try:
        train(config, BuiltinTasks(), recorder, artifacts / RUN, stop, True, claim.attempt)
    finally:
        recorder.close()


@pytest.mark.usefixtures("falling")
def test_database_and_disk_agree_on_what_stays_through_two_attempts(engine: Engine, tmp_path: Path) -> None:
    add_run(engine, RUN, config=scored().model_dump(mode="json"))
    attempted(engine, tmp_path, StopAfter(48))
    elapse(engine, lease.SECONDS + 1)
    with session_scope(engine) as session:
        queue.put_back_lost(session)
    orphan = tmp_path / RUN / "checkpoints" / "step-000000005"  # its row went, and then came a kill
    orphan.mkdir()
    attempted(engine, tmp_path, StopSignal())

    with reading_scope(engine) as session:
        listed = checkpoints.list(session, RUN)
        kept = {each.row.step: each for each in keeping.kept_of(session, RUN)}
    assert steps_on_disk(tmp_path / RUN) == [each.step for each in reversed(listed)] == [20, 30, 50, 60]
    for each in listed:
        assert checkpoint.load(tmp_path / each.path).step == each.step
    assert kept[20].aliases == ("best",)
    assert kept[20].verdict.reasons == ("best by pass@1: 8.0 %",)
    assert kept[20].score_text == "8.0 %"
    assert (kept[30].aliases, kept[30].verdict.reasons) == (("paper",), ("alias paper",))
    assert kept[60].score_text == "2.0 %"
