"""Every quick preset trains: its own model, data and optimiser, three steps of it."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from backend.domain.config.presets import PRESETS
from backend.domain.config.problems import parse_experiment
from tests.support.records.tiny_runs import Memory
from worker.data.sets import BuiltinTasks
from worker.training.stop import StopSignal
from worker.training.trainer import train


@pytest.mark.parametrize("name", [name for name in PRESETS if name.startswith("quick")])
def test_every_quick_preset_builds_trains_and_is_scored(name: str, tmp_path: Path) -> None:
    preset = PRESETS[name].make()
    scored = preset.evaluation.sets[0].model_dump() | {"first_tasks": 1}
    config = parse_experiment(
        {
            "preset": name,
            "data": {"first_tasks": 6, "augmentations": 1},
            "training": {"steps": 3, "batch_size": 4, "log_every": 1, "device": "cpu"},
            "evaluation": {"sets": [scored], "views": 1},
        }
    )
    memory = Memory()
    result = train(config, BuiltinTasks(), memory, tmp_path, StopSignal())
    assert (result.step, len(result.evaluations)) == (3, 1)
    assert all(math.isfinite(values["loss"]) for values in memory.points.values())
    coverages = {point.get("encoder/gradient_coverage") for point in memory.points.values()}
    if config.variant == "trm":
        assert coverages == {None}
    elif name == "quick_etrm_iterative":
        assert coverages == {0.0}
    else:  # what is left are rows of colours and canvas places that these few samples do not have
        assert min(coverage or 0 for coverage in coverages) > 0.95
