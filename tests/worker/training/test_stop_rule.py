"""A hypothesis's stop rule: when it holds, how the training ends, and that a resume changes nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from backend.domain.experiment import ExperimentConfig
from backend.domain.metrics import OF_TRAINING
from backend.domain.records import Ruling
from tests.support.records.tiny_runs import WALL_CLOCK, Memory, StopAfter, tiny
from worker.data.sets import BuiltinTasks
from worker.recording.console import ConsoleRecorder, recorded
from worker.training.checkpoints import checkpoint
from worker.training.stop import StopSignal
from worker.training.stop_rule import StopRule
from worker.training.trainer import TrainingResult, train
from worker.training.verdict import verdict

NEVER_RIGHT = {"kind": "hopeless", "measure": "accuracy/exact", "comparison": "<", "value": 0.99}


def stated(bar: str = "accuracy/token", at: float = 0.5, **stop: Any) -> ExperimentConfig:
    """A point every 7 steps, a checkpoint every 10, 40 steps."""
    hypothesis = {"kind": "bar", "claim": "It learns.", "measure": bar, "value": at, "stop": stop}
    return tiny(steps=40, hypothesis=hypothesis)


def rulings(config: ExperimentConfig, points: Sequence[dict[str, float]]) -> list[Ruling | None]:
    rule = StopRule(config.hypothesis)
    return [rule.check(step, point) for step, point in enumerate(points)]


def run(config: ExperimentConfig, memory: Memory, folder: Path) -> TrainingResult:
    torch.set_num_threads(1)
    return train(config, BuiltinTasks(), memory, folder, StopSignal())


def test_a_rule_is_not_asked_before_its_step_and_counts_points_in_a_row_from_there() -> None:
    config = stated(**NEVER_RIGHT, after_step=2, points=3)
    wrong, right = {"accuracy/exact": 0.0}, {"accuracy/exact": 1.0}
    assert rulings(config, [wrong] * 4) == [None] * 4
    assert rulings(config, [wrong, wrong, wrong, wrong, right, wrong, wrong]) == [None] * 7
    *before, ruling = rulings(config, [wrong] * 5)
    assert before == [None] * 4
    assert ruling is not None
    assert (ruling.step, ruling.verdict, ruling.value) == (4, "refuted", 0.0)
    assert ruling.text.startswith("stopped at step 4 by its stop rule: accuracy/exact 0.0")
    assert ruling.text.endswith("at 3 points in a row")


def test_a_series_that_is_recorded_less_often_is_asked_at_its_own_points() -> None:
    config = stated(
        kind="hopeless", measure="reliance/cost", comparison="<", value=0.1, after_step=0, points=2
    )
    probed, between = {"reliance/cost": 0.0}, {"loss": 1.0}
    assert [each is None for each in rulings(config, [probed, between, between, probed])] == [True] * 3 + [
        False
    ]
    assert rulings(config, [{"reliance/cost": math.nan}] * 4) == [None] * 4


def test_a_reached_bar_may_be_of_the_best_point_and_of_two_series() -> None:
    best = stated("accuracy/token:max", 0.8, kind="reached", points=2)
    found = rulings(best, [{"accuracy/token": value} for value in (0.9, 0.1)])
    assert found[0] is None
    assert found[1] is not None
    assert (found[1].verdict, found[1].value) == ("reached", 0.9)
    apart = stated("accuracy/token - accuracy/exact", 0.5, kind="reached")
    both = rulings(apart, [{"accuracy/token": 0.9}, {"accuracy/token": 0.9, "accuracy/exact": 0.2}])
    assert [each is None for each in both] == [True, False]


def test_a_hopeless_run_ends_at_its_point_for_good_and_is_not_evaluated(tmp_path: Path) -> None:
    memory = Memory()
    config = stated(**NEVER_RIGHT, after_step=10)
    result = run(config, memory, tmp_path)
    assert (result.step, result.stopped, result.evaluations) == (14, False, ())
    assert list(memory.points) == [7, 14]
    assert memory.outcomes == {}
    assert memory.rulings == [result.ruling]
    assert [path.name for path in checkpoint.list_checkpoints(tmp_path)][-1] == "step-000000014"
    again = run(config, memory, tmp_path)
    assert (again.step, again.stopped, again.ruling) == (14, False, result.ruling)


def test_a_run_that_reached_its_bar_is_evaluated_there(tmp_path: Path) -> None:
    result = run(stated("loss", 1e6, kind="reached", after_step=8), Memory(), tmp_path)
    assert (result.step, result.stopped) == (40, False), "a loss is never as high"
    config = stated("loss:min", 0.0, kind="reached", after_step=8)
    memory = Memory()
    result = run(config, memory, tmp_path / "reached")
    assert (result.step, result.stopped, len(result.evaluations)) == (14, False, 1)
    assert result.ruling is not None
    judged = verdict(config, result, {})
    assert judged is not None
    assert judged.verdict == "undecided", "no series was given"


def test_without_a_rule_the_run_takes_all_its_steps(tmp_path: Path) -> None:
    result = run(stated(kind="none"), Memory(), tmp_path)
    assert (result.step, result.ruling) == (40, None)


@pytest.mark.parametrize("stop_at", [12, 17])
def test_a_resumed_run_is_ended_by_the_same_point_as_one_never_stopped(stop_at: int, tmp_path: Path) -> None:
    config = stated(**NEVER_RIGHT, after_step=0, points=3)
    whole, parts = Memory(), Memory()
    never_stopped = run(config, whole, tmp_path / "whole")
    first = train(config, BuiltinTasks(), parts, tmp_path / "parts", StopAfter(stop_at))
    assert first.stopped
    rest = run(config, parts, tmp_path / "parts")
    assert rest.ruling == never_stopped.ruling is not None
    assert parts.points == whole.points
    assert whole.rulings == parts.rulings


def test_every_series_of_a_training_may_be_measured(tmp_path: Path) -> None:
    memory = Memory()
    probed: dict[str, Any] = {"health": {"probe_every": 4}, "evaluation": {"sets": []}}
    objective = {"kl_annealing_steps": 4, "contrast": {"kind": "supcon"}, "latent_steps": 1}
    run(tiny("etrm_variational", 8, objective=objective, **probed), memory, tmp_path)
    names = {name for point in memory.points.values() for name in point} | WALL_CLOCK
    assert names == set(OF_TRAINING) - {"loss/kl"}  # that only runs of before have


def test_the_memory_of_another_rule_is_left_behind() -> None:
    wrong = {"accuracy/exact": 0.0}
    first = StopRule(stated(**NEVER_RIGHT, after_step=0, points=2).hypothesis)
    same = StopRule(stated(**NEVER_RIGHT, after_step=0, points=2).hypothesis)
    other = StopRule(stated(**NEVER_RIGHT, after_step=0, points=3).hypothesis)
    assert first.check(7, wrong) is None
    for each in (same, other):
        each.load_state_dict(first.state_dict())
    assert same.check(14, wrong) is not None
    assert other.check(14, wrong) is None


def test_the_console_judges_a_local_run_by_its_own_points(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    config = stated("loss:min", 1e6).model_copy(deep=True)
    recorder = ConsoleRecorder(folder=tmp_path)
    try:
        result = train(config, BuiltinTasks(), recorder, tmp_path, StopSignal())
    finally:
        recorder.close()
    series = recorded(tmp_path)
    assert series["loss"].step == 40
    judged = verdict(config, result, series)
    assert judged is not None
    assert (judged.verdict, judged.met, judged.excludes_bar) == ("refuted", False, None)
    assert verdict(tiny(), result, series) is None
