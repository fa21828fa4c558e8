"""Stopping and resuming gives, to the bit, the numbers of never having stopped (CPU, fp32)."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from backend.domain.config_problems import parse_experiment
from backend.domain.errors import CheckpointCorrupt, Conflict
from backend.domain.experiment import ExperimentConfig
from backend.domain.records import EvaluationKey, EvaluationSummary, TestOutcome
from worker.data import training_data
from worker.data.sets import BuiltinTasks
from worker.recorder import NullRecorder
from worker.training import checkpoint
from worker.training.stop import StopSignal
from worker.training.trainer import TrainingResult, train

STEPS = 40
WALL_CLOCK = {"samples_per_second", "memory_bytes"}

CORE = {"width": 16, "heads": 2, "layers": 1, "h_cycles": 2, "l_cycles": 1, "context_tokens": 2}
ETRM = {"kind": "etrm", "core": CORE, "act": {"max_steps": 3}, "encoder": {"layers": 1}}
MODELS: dict[str, dict[str, Any]] = {
    "etrm": ETRM,
    "etrm_cached": {**ETRM, "reencode": False},
    "trm": {"kind": "trm", "core": CORE, "act": {"max_steps": 3}, "embedding_width": 16},
}


def config(model: str, steps: int = STEPS) -> ExperimentConfig:
    """Two canvases, few tasks, and a logging interval that no stop of these tests falls on."""
    return parse_experiment(
        {
            "model": MODELS[model],
            "data": {
                "first_tasks": 12,
                "canvas_sizes": [7, 10],
                "augmentations": 2,
                "max_demonstrations": 2,
            },
            "optimisation": {"learning_rate": 1e-2, "warmup_steps": 5},
            "training": {
                "steps": steps,
                "batch_size": 4,
                "device": "cpu",
                "log_every": 7,
                "checkpoint_every": 10,
            },
            "evaluation": {
                "sets": [{"name": "arc-agi-1/training", "first_tasks": 3, "that_fit": True}],
                "views": 3,
                "every": max(2, steps // 2),
                "batch_size": 4,
            },
        }
    )


class Memory(NullRecorder):
    """Keeps what a database would, and may call back on the way."""

    def __init__(self, on_outcome: Callable[[int], None] = lambda count: None) -> None:
        self.points: dict[int, dict[str, float]] = {}
        self.outcomes: dict[tuple[int, str, int], TestOutcome] = {}
        self.summaries: dict[int, EvaluationSummary] = {}
        self.lines: list[str] = []
        self.checkpoints: list[int] = []
        self._on_outcome = on_outcome

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        self.points[step] = {name: value for name, value in values.items() if name not in WALL_CLOCK}

    def log(self, text: str, level: str = "info") -> None:
        self.lines.append(f"{level}: {text}")

    def outcome(self, key: EvaluationKey, outcome: TestOutcome) -> None:
        self.outcomes[key.step, outcome.task_id, outcome.test_index] = outcome
        self._on_outcome(len(self.outcomes))

    def evaluation_finished(self, summary: EvaluationSummary) -> None:
        self.summaries[summary.key.step] = summary


class StopAfter(StopSignal):
    """Asks to stop once it has been looked at that often: a stop at a chosen step."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self._looks_left = steps

    @property
    def requested(self) -> bool:
        self._looks_left -= 1
        return self._looks_left < 0 or super().requested


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def run(experiment: ExperimentConfig, memory: Memory, folder: Path, stop: StopSignal) -> TrainingResult:
    return train(experiment, BuiltinTasks(), memory, folder, stop)


@pytest.mark.parametrize("model", MODELS)
def test_stopping_between_two_points_and_resuming_changes_no_number(model: str, tmp_path: Path) -> None:
    never_stopped, stopped = Memory(), Memory()
    whole = run(config(model), never_stopped, tmp_path / "whole", StopSignal())
    first = run(config(model), stopped, tmp_path / "parts", StopAfter(2 * 17))
    assert first.stopped
    assert first.step % 7, "the stop should fall between two recorded points"
    assert first.step % 10, "and between two checkpoints"
    rest = run(config(model), stopped, tmp_path / "parts", StopSignal())

    assert (whole.step, rest.step, rest.stopped) == (STEPS, STEPS, False)
    assert sorted(stopped.points) == [7, 14, 21, 28, 35, 40]
    assert stopped.points == never_stopped.points
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
    assert "info: Going on from the checkpoint of step 10." in memory.lines
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
