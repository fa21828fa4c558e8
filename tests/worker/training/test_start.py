"""Runs that start from a published checkpoint."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from backend.domain.errors import CheckpointMissing, Conflict
from backend.domain.experiment import ExperimentConfig
from tests.support.tiny_runs import Memory, tiny
from worker.data import training_data
from worker.data.sets import BuiltinTasks
from worker.device import open_device
from worker.models.build import build_reasoner
from worker.models.importing import export_weights
from worker.training.learner import Learner
from worker.training.start import start_from_config
from worker.training.stop import StopSignal
from worker.training.trainer import train


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A checkpoint of a TRM of the tiny size."""
    file = tmp_path / "step_7"
    export_weights(build_reasoner(tiny("trm").model_copy(update={"seed": 5}), 3), file, "ema")
    return file


def starting_from(file: Path, steps: int = 3, **changes: Any) -> ExperimentConfig:
    start = {"kind": "checkpoint", "path": str(file), "part": "decoder", "weights": "ema", **changes}
    return tiny(steps=steps, training={"steps": steps, "initialise_from": start}, evaluation={"sets": []})


def test_the_first_weights_and_their_average_are_the_checkpoints(published: Path) -> None:
    config, memory = starting_from(published), Memory()
    data = training_data.build(config, BuiltinTasks())
    learner = Learner(config, data, open_device(config.training))
    start_from_config(learner, memory)
    head = torch.load(published, weights_only=True)["_orig_mod.model.inner.lm_head.weight"]
    assert torch.equal(learner.reasoner.token_head.weight, head)
    assert torch.equal(learner.ema.shadow["token_head.weight"], head)
    assert any(
        "moving average, as said, not by the file): 10 loaded, 1 skipped" in each for each in memory.lines
    )


def test_a_run_that_goes_on_no_longer_needs_the_file_it_started_from(published: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    train(starting_from(published), BuiltinTasks(), Memory(), folder, StopSignal())
    moved = tmp_path / "elsewhere"
    shutil.move(published, moved)
    again = train(starting_from(published, steps=4), BuiltinTasks(), Memory(), folder, StopSignal())
    assert again.step == 4
    with pytest.raises(Conflict, match=r"training\.initialise_from\.path"):
        train(starting_from(moved, steps=5), BuiltinTasks(), Memory(), folder, StopSignal())
    with pytest.raises(CheckpointMissing, match=r"training\.initialise_from\.path"):
        train(starting_from(published), BuiltinTasks(), Memory(), tmp_path / "new", StopSignal())


def test_weights_of_unknown_kind_are_taken_with_a_warning(published: Path, tmp_path: Path) -> None:
    memory = Memory()
    config = starting_from(published, weights="unknown")
    train(config, BuiltinTasks(), memory, tmp_path / "run", StopSignal())
    assert any(each.startswith("warning: Weights from ") for each in memory.lines)
