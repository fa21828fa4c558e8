"""Stopping and resuming gives, to the bit, the numbers of never having stopped (CPU, fp32)."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from backend.domain.experiment import ExperimentConfig
from backend.kit.errors import CheckpointCorrupt, Conflict
from tests.support.records.tiny_runs import MODELS, Memory, StopAfter, tiny
from worker.data import training_data
from worker.data.sets import BuiltinTasks
from worker.training.checkpoints import checkpoint
from worker.training.stop import StopSignal
from worker.training.trainer import TrainingResult, train

STEPS = 40


def config(model: str, steps: int = STEPS) -> ExperimentConfig:
    """Evaluates halfway and at the end; a point every 7 steps, a checkpoint every 10, a probe every 9 and
    histograms every 8, of which those of step 16 wait for the point of step 21 when the run is stopped."""
    health = {"probe_every": 9, "histogram_every": 8}
    return tiny(model, steps, evaluation={"every": max(2, steps // 2)}, health=health)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def run(experiment: ExperimentConfig, memory: Memory, folder: Path, stop: StopSignal) -> TrainingResult:
    return train(experiment, BuiltinTasks(), memory, folder, stop)


@pytest.mark.parametrize("model", MODELS)
def test_stopping_between_two_points_and_resuming_changes_no_number(model: str, tmp_path: Path) -> None:
    never_stopped, stopped = Memory(), Memory()
    whole = run(config(model), never_stopped, tmp_path / "whole", StopSignal())
    first = run(config(model), stopped, tmp_path / "parts", StopAfter(17))
    assert first.stopped
    assert first.step % 7, "the stop should fall between two recorded points"
    assert first.step % 10, "and between two checkpoints"
    rest = run(config(model), stopped, tmp_path / "parts", StopSignal())

    assert (whole.step, rest.step, rest.stopped) == (STEPS, STEPS, False)
    assert sorted(stopped.points) == [7, 14, 21, 28, 35, 40]
    assert stopped.points == never_stopped.points
    assert sorted(stopped.counted) == [1, 8, 16, 24, 32, 40]
    assert stopped.counted == never_stopped.counted
    assert sorted(stopped.snapshots) == [9, 18, 27, 36]
    assert stopped.snapshots == never_stopped.snapshots
    assert sum("encoder/effective_rank" in values for values in stopped.points.values()) == 4
    assert stopped.outcomes == never_stopped.outcomes
    last = [checkpoint.load(checkpoint.find(tmp_path / part)) for part in ("whole", "parts")]
    for kind in ("weights", "ema"):
        one, other = (getattr(snapshot, kind) for snapshot in last)
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_what_is_stopped_and_resumed_here_trains_on_both_canvases() -> None:
    data = training_data.build(config("etrm"), BuiltinTasks())
    assert {side: len(tasks) > 1 for side, tasks in data.by_canvas.items()} == {7: True, 10: True}


def test_a_run_killed_after_its_checkpoint_writes_the_same_points_again(tmp_path: Path) -> None:
    memory = Memory()
    run(config("etrm", 20), memory, tmp_path, StopSignal())
    before = dict(memory.points)
    shutil.rmtree(checkpoint.find(tmp_path))  # step 20: as if the kill had come before it
    run(config("etrm", 20), memory, tmp_path, StopSignal())
    assert "info: Resuming from the checkpoint of step 10." in memory.lines
    assert memory.points == before


def test_a_damaged_checkpoint_is_passed_over_and_the_numbers_stay(tmp_path: Path) -> None:
    memory = Memory()
    run(config("trm", 20), memory, tmp_path, StopSignal())
    before = dict(memory.points)
    with (checkpoint.find(tmp_path) / "weights.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\xff")
    run(config("trm", 20), memory, tmp_path, StopSignal())
    assert any(line.startswith("warning") and "checksum differs" in line for line in memory.lines)
    assert memory.points == before
    assert checkpoint.load_newest(tmp_path, pytest.fail) is not None


@pytest.mark.parametrize("model", MODELS)
def test_a_checkpoint_of_a_version_that_kept_tokens_as_int64_resumes(model: str, tmp_path: Path) -> None:
    memory = Memory()
    run(config(model, 20), memory, tmp_path, StopSignal())
    before = dict(memory.points)
    shutil.rmtree(checkpoint.find(tmp_path))  # step 20
    saved = checkpoint.load(checkpoint.find(tmp_path))
    carries = {}
    for side, (states, steps, halted, batch, *rest) in saved.state["carries"].items():
        wide = tuple(
            tensor.long() if isinstance(tensor, torch.Tensor) and tensor.dtype != torch.bool else tensor
            for tensor in batch
        )
        carries[side] = (states, steps, halted, wide, *rest)
    checkpoint.save(tmp_path, replace(saved, state=saved.state | {"carries": carries}))
    run(config(model, 20), memory, tmp_path, StopSignal())
    assert "info: Resuming from the checkpoint of step 10." in memory.lines
    assert memory.points == before
    now = checkpoint.load(checkpoint.find(tmp_path)).state["carries"].values()
    assert {tensor.dtype for carry in now for tensor in carry[3][:2]} == {torch.uint8, torch.int8}


def test_an_evaluation_stopped_halfway_goes_on_with_the_rest(tmp_path: Path) -> None:
    whole = Memory()
    run(config("etrm", 8), whole, tmp_path / "whole", StopSignal())
    stop = StopSignal()
    first = Memory(on_outcome=lambda count: stop.request() if count == 2 else None)
    result = run(config("etrm", 8), first, tmp_path / "parts", stop)
    assert (result.stopped, result.step, first.summaries) == (True, 4, {})
    rest = Memory()
    assert not run(config("etrm", 8), rest, tmp_path / "parts", StopSignal()).stopped
    assert rest.outcomes == whole.outcomes
    assert {step: each.passes for step, each in rest.summaries.items()} == {
        step: each.passes for step, each in whole.summaries.items()
    }


def test_a_finished_run_resumed_tells_its_results_again_without_training(tmp_path: Path) -> None:
    run(config("etrm", 8), Memory(), tmp_path, StopSignal())
    again = Memory()
    result = run(config("etrm", 8), again, tmp_path, StopSignal())
    assert (again.points, result.stopped) == ({}, False)
    assert list(again.summaries) == [8]
    assert result.evaluations == (again.summaries[8],)


def test_more_steps_may_be_asked_of_a_finished_run_but_not_another_model(tmp_path: Path) -> None:
    run(config("etrm", 5), Memory(), tmp_path, StopSignal())
    assert run(config("etrm", 6), Memory(), tmp_path, StopSignal()).step == 6
    with pytest.raises(Conflict, match=r"model\.reencode was True, now False"):
        run(config("etrm_cached", 6), Memory(), tmp_path, StopSignal())


def test_a_run_whose_only_checkpoint_is_damaged_says_which_file(tmp_path: Path) -> None:
    run(config("etrm", 2), Memory(), tmp_path, StopSignal())
    (checkpoint.find(tmp_path) / "ema.safetensors").unlink()
    with pytest.raises(CheckpointCorrupt, match=r"ema\.safetensors"):
        run(config("etrm", 2), Memory(), tmp_path, StopSignal())


def test_a_checkpoint_of_another_version_of_the_model_is_refused_in_words(tmp_path: Path) -> None:
    run(config("etrm", 2), Memory(), tmp_path, StopSignal())
    saved = checkpoint.load(checkpoint.find(tmp_path))
    renamed = {name.replace("core.", "kernel."): tensor for name, tensor in saved.weights.items()}
    checkpoint.save(tmp_path, replace(saved, weights=renamed))
    with pytest.raises(Conflict, match="does not fit this version's model"):
        run(config("etrm", 4), Memory(), tmp_path, StopSignal())
