"""A tiny training on a set in RE-ARC's form, from its archive to a score, stopped and resumed on the way."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from sqlalchemy import Engine

from backend.data import service as datasets
from backend.db.session import session_scope
from backend.domain.experiment import ExperimentConfig
from tests.support.pair_archives import TASK_IDS, files, zipped
from tests.support.records.tiny_runs import Memory, StopAfter, tiny
from worker.data.sets import TaskSource
from worker.recording.database_tasks import DbTasks
from worker.training.checkpoints import checkpoint
from worker.training.stop import StopSignal
from worker.training.trainer import train

SET = "re-arc"


@pytest.fixture
def source(engine: Engine) -> TaskSource:
    torch.set_num_threads(1)
    with session_scope(engine) as session:
        datasets.import_files(session, SET, [(zipped(files()), "re_arc.zip")])
    return DbTasks(engine)


def config(model: str) -> ExperimentConfig:
    return tiny(
        model,
        20,
        data={"training_sets": [SET], "query": "each" if model == "trm" else "any"},
        evaluation={"sets": [{"name": SET}, {"name": "arc-agi-2/evaluation", "first_tasks": 1}], "every": 10},
        health={"probe_every": 5},
    )


@pytest.mark.parametrize("model", ["etrm", "trm"])
def test_a_pooled_set_is_trained_scored_and_resumed_to_the_bit(
    source: TaskSource, model: str, tmp_path: Path
) -> None:
    whole, parts = Memory(), Memory()
    train(config(model), source, whole, tmp_path / "whole", StopSignal())
    assert train(config(model), source, parts, tmp_path / "parts", StopAfter(9)).stopped
    train(config(model), source, parts, tmp_path / "parts", StopSignal())
    assert parts.points == whole.points
    assert parts.outcomes == whole.outcomes
    weights = [checkpoint.load(checkpoint.find(tmp_path / part)).weights for part in ("whole", "parts")]
    assert all(torch.equal(tensor, weights[1][name]) for name, tensor in weights[0].items())
    asked = {(task_id, test) for step, task_id, test in whole.outcomes if task_id in TASK_IDS and step == 20}
    assert asked == {(task_id, 0) for task_id in TASK_IDS}  # one fixed query of each task
