"""The one loop: what it records, when it raises an alarm, how it ends."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

import pytest
import torch

from backend.domain.experiment import ExperimentConfig
from backend.kit.errors import InvalidConfig, TrainingDiverged
from tests.support.records.tiny_runs import WALL_CLOCK, Memory, tiny
from worker.data.sets import BuiltinTasks
from worker.training.checkpoints import checkpoint
from worker.training.stop import StopSignal
from worker.training.trainer import TrainingResult, train

OF_EVERY_MODEL = {
    "loss",
    "loss/prediction",
    "loss/halting",
    "accuracy/token",
    "accuracy/exact",
    "accuracy/halting",
    "act_steps",
    "learning_rate",
    "gradient_norm/all",
    "gradient_norm/core",
    "encoder/sample_coverage",
    "encoder/cross_sample_variance",
    "encoder/scale_free_variance",
}
OF_ENCODERS = OF_EVERY_MODEL | {
    "gradient_norm/encoder",
    "encoder/gradient_coverage",
    "encoder/gradient_share",
}
ONCE = {"data/left_out_as_leak", "data/token_baseline", "data/probe_tasks"}
NO_EVALUATION: dict[str, Any] = {"sets": []}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def run(config: ExperimentConfig, folder: Path, memory: Memory | None = None) -> TrainingResult:
    return train(config, BuiltinTasks(), memory or Memory(), folder, StopSignal())


def test_every_interval_and_the_last_step_record_every_metric(tmp_path: Path) -> None:
    memory = Memory()
    run(tiny(steps=20, evaluation=NO_EVALUATION), tmp_path, memory)
    assert {step: set(values) for step, values in memory.points.items()} == {
        7: OF_ENCODERS | ONCE,
        14: OF_ENCODERS,
        20: OF_ENCODERS,
    }
    assert memory.wall_clock == [WALL_CLOCK] * 3
    assert all(math.isfinite(value) for values in memory.points.values() for value in values.values())
    for values in memory.points.values():
        assert values["loss"] == pytest.approx(values["loss/prediction"] + 0.5 * values["loss/halting"])
        assert values["encoder/gradient_coverage"] > 0.9


def test_trm_records_the_same_but_what_only_an_encoder_has(tmp_path: Path) -> None:
    memory = Memory()
    run(tiny("trm", steps=7, evaluation=NO_EVALUATION), tmp_path, memory)
    assert set(memory.points[7]) == OF_EVERY_MODEL | ONCE


def test_a_penalty_of_the_encoder_is_recorded_by_its_name(tmp_path: Path) -> None:
    memory = Memory()
    run(tiny("etrm_variational", steps=4, evaluation=NO_EVALUATION), tmp_path, memory)
    values = memory.points[4]
    assert values["loss/kl_per_sample"] > 0
    assert values["loss"] > values["loss/prediction"] + 0.5 * values["loss/halting"]


@pytest.mark.parametrize("model", ["etrm", "trm"])
def test_the_loss_falls_and_tokens_become_right(model: str, tmp_path: Path) -> None:
    memory = Memory()
    slow_start = {"warmup_steps": 40, "learning_rate": 2e-2}
    config = tiny(
        model, steps=40, evaluation=NO_EVALUATION, training={"log_every": 4}, optimisation=slow_start
    )
    run(config, tmp_path, memory)
    first, *_, last = memory.points.values()
    assert last["loss"] < 0.8 * first["loss"]
    assert last["accuracy/token"] > first["accuracy/token"] + 0.2


def test_a_cached_context_starves_the_encoder_and_the_run_says_so(tmp_path: Path) -> None:
    cached, fresh = Memory(), Memory()
    recording = {"log_every": 2}
    for model, memory in (("etrm_cached", cached), ("etrm", fresh)):
        config = tiny(model, steps=40, evaluation=NO_EVALUATION, training=recording)
        run(config, tmp_path / model, memory)
    assert [alarm.name for alarm in cached.alarms] == ["starvation"]
    assert fresh.alarms == []
    coverage = [values["encoder/sample_coverage"] for values in cached.points.values()]
    assert mean(coverage) == pytest.approx(1 / 3, abs=0.1)  # one of three ACT steps of a sample


def test_an_encoder_cut_off_from_the_loss_shows_no_gradient_and_raises_the_alarm(tmp_path: Path) -> None:
    memory = Memory()
    cut_off = {"encoder": {"kind": "iterative", "layers": 1, "refine_layers": 1, "detach_context": True}}
    run(tiny(steps=7, evaluation=NO_EVALUATION, model=cut_off), tmp_path, memory)
    shown = ("encoder/gradient_coverage", "encoder/sample_coverage", "gradient_norm/encoder")
    assert [memory.points[7][name] for name in shown] == [0, 0, 0]
    assert [alarm.name for alarm in memory.alarms] == ["starvation"]


def test_evaluating_on_the_way_does_not_change_the_training(tmp_path: Path) -> None:
    without, halfway = Memory(), Memory()
    run(tiny(steps=14), tmp_path / "without", without)
    run(tiny(steps=14, evaluation={"every": 5}), tmp_path / "halfway", halfway)
    assert halfway.points == without.points
    assert sorted(halfway.summaries) == [5, 10, 14]
    assert halfway.summaries[14].passes == without.summaries[14].passes


@pytest.mark.parametrize("weights", ["ema", "raw"])
def test_an_evaluation_says_which_weights_it_scored_and_how_often(weights: str, tmp_path: Path) -> None:
    memory = Memory()
    result = run(tiny(steps=3, evaluation={"weights": weights, "views": 2}), tmp_path, memory)
    (summary,) = result.evaluations
    assert (summary.key.weights, summary.key.views, summary.key.act_steps) == (weights, 2, 3)
    assert len(summary.key.task_ids) == summary.passes[1].n == 3
    assert {task_id for _, task_id, _ in memory.outcomes} == set(summary.key.task_ids)


def test_progress_goes_through_loading_training_and_evaluating_to_the_end(tmp_path: Path) -> None:
    memory = Memory()
    run(tiny(steps=14), tmp_path, memory)
    phases = list(dict.fromkeys(progress.phase for progress in memory.progresses))
    assert phases == ["loading", "training", "evaluating"]
    for phase in phases:
        last = [progress for progress in memory.progresses if progress.phase == phase][-1]
        assert last.done == last.total
    assert any((progress.seconds_left or 0) > 0 for progress in memory.progresses)


def test_a_stop_asked_before_the_first_step_leaves_at_once_with_a_checkpoint(tmp_path: Path) -> None:
    stop = StopSignal()
    stop.request("asked by a test")
    memory = Memory()
    result = train(tiny(), BuiltinTasks(), memory, tmp_path, stop)
    assert (result.step, result.stopped) == (0, True)
    assert memory.lines[-1] == "info: Stopped at step 0: asked by a test."
    assert checkpoint.load(checkpoint.find(tmp_path)).step == 0


class Settling(Memory):
    """Notes what there was whenever the trainer waited for the journal: points, and checkpoints on disk."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.settled: list[tuple[list[int], list[int]]] = []
        self._folder = folder

    def settle(self) -> None:
        saved = [checkpoint.step_of(path) for path in checkpoint.list_checkpoints(self._folder)]
        self.settled.append((list(self.points), saved))


def test_points_are_in_the_journal_before_the_checkpoint_that_follows_them(tmp_path: Path) -> None:
    recorder = Settling(tmp_path)
    often = {"log_every": 2, "checkpoint_every": 4}
    run(tiny(steps=8, evaluation=NO_EVALUATION, training=often), tmp_path, recorder)
    assert recorder.settled == [([2, 4], []), ([2, 4, 6, 8], [4])]


def test_numbers_that_are_no_numbers_end_the_run_with_the_way_back(tmp_path: Path) -> None:
    config = tiny(steps=20, evaluation=NO_EVALUATION)
    run(tiny(steps=10, evaluation=NO_EVALUATION), tmp_path)
    good = checkpoint.load(checkpoint.find(tmp_path))
    broken = {name: weight * math.nan for name, weight in good.weights.items()}
    checkpoint.save(tmp_path, replace(good, weights=broken))
    memory = Memory()
    with pytest.raises(TrainingDiverged, match=r"diverged by step 14: loss is nan") as caught:
        run(config, tmp_path, memory)
    assert "The checkpoint of step 10 is from before it." in caught.value.hint
    assert math.isnan(memory.points[14]["loss"])


def test_no_checkpoint_is_written_of_numbers_that_are_no_numbers(tmp_path: Path) -> None:
    often = {"log_every": 100, "checkpoint_every": 4}
    run(tiny(steps=4, evaluation=NO_EVALUATION, training=often), tmp_path)
    good = checkpoint.load(checkpoint.find(tmp_path))
    broken = {name: weight * math.nan for name, weight in good.weights.items()}
    checkpoint.save(tmp_path, replace(good, weights=broken))
    with pytest.raises(TrainingDiverged):
        run(tiny(steps=12, evaluation=NO_EVALUATION, training=often), tmp_path)
    assert [path.name for path in checkpoint.list_checkpoints(tmp_path)] == ["step-000000004"]


def test_tasks_left_out_are_told_with_the_reason(tmp_path: Path) -> None:
    memory = Memory()
    held_out = [{"name": "arc-agi-1/evaluation", "first_tasks": 1, "that_fit": True}]
    run(tiny(steps=1, evaluation={"sets": held_out}), tmp_path, memory)
    said = "\n".join(memory.lines)
    assert "warning: Excluded from training (overlaps evaluation tasks):" in said
    assert "needs a canvas of" in said or "holds" in said


def test_a_run_without_a_set_to_be_fetched_starts_and_says_so(tmp_path: Path) -> None:
    memory = Memory()
    config = tiny(steps=1, evaluation=NO_EVALUATION)
    sets = ("arc-agi-1/training", "concept")
    config = config.model_copy(update={"data": config.data.model_copy(update={"training_sets": sets})})
    run(config, tmp_path, memory)
    said = "Trained without the task set concept: it is not here. To have it: etrm data fetch concept."
    assert f"warning: {said}" in memory.lines


def test_a_gpu_asked_for_and_absent_is_said_before_anything_is_done(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(InvalidConfig, match=r"training\.device: this machine has no GPU"):
        run(tiny(training={"device": "cuda"}), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_bf16_trains_too(tmp_path: Path) -> None:
    memory = Memory()
    config = tiny(steps=14, evaluation=NO_EVALUATION, training={"precision": "bf16"})
    run(config, tmp_path, memory)
    assert memory.points[14]["loss"] < memory.points[7]["loss"]
