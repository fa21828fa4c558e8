"""Runs that start from a published checkpoint."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from backend.domain.experiment import ExperimentConfig
from backend.kit.errors import CheckpointCorrupt, CheckpointMissing, Conflict
from tests.support.records.tiny_runs import Memory, tiny
from worker.data import training_data
from worker.data.sets import BuiltinTasks
from worker.kit.device import open_device
from worker.models.build import build_reasoner
from worker.models.importing import export_weights
from worker.training.checkpoints import checkpoint
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


def test_the_first_weights_and_their_average_are_the_checkpoints(published: Path, tmp_path: Path) -> None:
    config, memory = starting_from(published), Memory()
    data = training_data.build(config, BuiltinTasks())
    learner = Learner(config, data, open_device(config.training))
    start_from_config(learner, memory, tmp_path)
    head = torch.load(published, weights_only=True)["_orig_mod.model.inner.lm_head.weight"]
    assert torch.equal(learner.reasoner.token_head.weight, head)
    assert torch.equal(learner.ema.shadow["token_head.weight"], head)
    assert any(
        "moving average, as configured, not by the file): 10 loaded, 1 skipped" in each
        for each in memory.lines
    )


def test_a_run_that_only_imports_ends_with_the_weights_as_they_are(published: Path, tmp_path: Path) -> None:
    config = starting_from(published, import_only=True)
    result = train(config, BuiltinTasks(), Memory(), tmp_path / "run", StopSignal())
    assert (result.step, result.stopped) == (0, False)
    kept = checkpoint.load(checkpoint.find(tmp_path / "run", None))
    head = torch.load(published, weights_only=True)["_orig_mod.model.inner.lm_head.weight"]
    assert torch.equal(kept.weights["token_head.weight"], head)
    assert torch.equal(kept.ema["token_head.weight"], head)


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


@pytest.fixture
def parent(tmp_path: Path) -> str:
    """A run of three steps with a checkpoint; its raw weights and their average differ."""
    config = tiny(steps=3, training={"steps": 3, "checkpoint_every": 3}, evaluation={"sets": []})
    train(config, BuiltinTasks(), Memory(), tmp_path / "parent", StopSignal())
    return "parent"


def forking(run: str, step: int = 3, **changes: Any) -> ExperimentConfig:
    start = {"kind": "run", "run": run, "step": step, **changes}
    return tiny(steps=3, training={"steps": 3, "initialise_from": start}, evaluation={"sets": []})


@pytest.mark.parametrize("weights", ["ema", "raw"])
def test_a_fork_starts_from_the_weights_of_another_run(parent: str, tmp_path: Path, weights: str) -> None:
    config, memory = forking(parent, weights=weights), Memory()
    learner = Learner(config, training_data.build(config, BuiltinTasks()), open_device(config.training))
    start_from_config(learner, memory, tmp_path)
    kept = checkpoint.load(checkpoint.find(tmp_path / parent))
    expected, other = (kept.ema, kept.weights) if weights == "ema" else (kept.weights, kept.ema)
    for name, tensor in learner.reasoner.state_dict().items():
        assert torch.equal(tensor, expected[name])
    assert not torch.equal(expected["token_head.weight"], other["token_head.weight"])
    said = "moving average" if weights == "ema" else "raw weights"
    assert any(f"{said}, as the file says): " in each and "0 missing" in each for each in memory.lines)


def test_a_downloaded_file_is_taken_as_any_other_checkpoint(parent: str, tmp_path: Path) -> None:
    file = checkpoint.find(tmp_path / parent) / "ema.safetensors"
    config, memory = starting_from(file, part="all"), Memory()
    train(config, BuiltinTasks(), memory, tmp_path / "again", StopSignal())
    assert any("0 skipped, 0 missing, 0 mismatched, 0 unplaced of the model" in each for each in memory.lines)


def test_a_fork_of_what_is_gone_or_damaged_says_so(parent: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointMissing, match=r"training\.initialise_from\.step: .* step 2 .* steps: 3"):
        train(forking(parent, step=2), BuiltinTasks(), Memory(), tmp_path / "fork", StopSignal())
    file = checkpoint.find(tmp_path / parent) / "ema.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(CheckpointCorrupt, match=r"ema\.safetensors"):
        train(forking(parent), BuiltinTasks(), Memory(), tmp_path / "fork", StopSignal())


def test_weights_of_unknown_kind_are_taken_with_a_warning(published: Path, tmp_path: Path) -> None:
    memory = Memory()
    config = starting_from(published, weights="unknown")
    train(config, BuiltinTasks(), memory, tmp_path / "run", StopSignal())
    assert any(each.startswith("warning: Weights from ") for each in memory.lines)


def test_a_cpu_is_reproducible_without_the_seconds_that_the_compiler_takes_to_import() -> None:
    asked = (
        "import sys, torch; from worker.kit.device import make_cpu_reproducible; make_cpu_reproducible();"
        "print(torch.are_deterministic_algorithms_enabled(), 'torch._inductor' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]
