"""A batch may be shared by processes and worked off in parts: the numbers stay the same but for rounding."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from backend.domain.experiment import ExperimentConfig
from backend.kit.errors import InvalidConfig
from tests.support.records.tiny_runs import MODELS, WALL_CLOCK, Memory, tiny, tiny_raw
from worker.data.sets import BuiltinTasks
from worker.recording.console import METRICS_FILE
from worker.training.checkpoints import checkpoint
from worker.training.stop import StopSignal
from worker.training.trainer import train

pytestmark = pytest.mark.slow

STEPS = 16
PER_DEMO = {"encoder": {"kind": "per_demo", "layers": 1, "inner_width": 16, "latent": 4}}
VARIANTS = {**MODELS, "etrm_per_demo": {**MODELS["etrm"], **PER_DEMO}}
each_variant = pytest.mark.parametrize("variant", VARIANTS)

LOSSES = ("loss", "loss/prediction", "loss/halting", "accuracy/token")
Points = Mapping[int, Mapping[str, float]]


def raw(variant: str, **training: Any) -> dict[str, Any]:
    """A short run of which every step is recorded."""
    config = tiny_raw(
        "etrm",
        STEPS,
        training={"log_every": 1, "checkpoint_every": 10, **training},
        optimisation={"learning_rate": 1e-4},
        evaluation={"sets": [], "views": 1},
        health={"probe_every": 4},
    )
    return {**config, "model": VARIANTS[variant]}


def config(variant: str, **training: Any) -> ExperimentConfig:
    return ExperimentConfig.model_validate(raw(variant, **training))


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def trained(experiment: ExperimentConfig, folder: Path) -> Points:
    memory = Memory()
    train(experiment, BuiltinTasks(), memory, folder, StopSignal())
    return memory.points


def agree(one: Points, other: Points) -> None:
    assert one.keys() == other.keys()
    for step, values in one.items():
        assert values.keys() == other[step].keys()
        for name, value in values.items():
            # Rounding is amplified by the recursion on its way back: gradients differ more than losses.
            close = 1e-5 if name in LOSSES else 1e-2
            assert other[step][name] == pytest.approx(value, rel=close, abs=close), (step, name)


@each_variant
def test_parts_of_a_batch_give_the_numbers_of_the_whole(variant: str, tmp_path: Path) -> None:
    whole = trained(config(variant), tmp_path / "whole")
    agree(whole, trained(config(variant, accumulate=2), tmp_path / "parts"))
    agree(whole, trained(config(variant, accumulate=4), tmp_path / "samples"))


def start(experiment: Mapping[str, Any], folder: Path) -> subprocess.Popen[str]:
    """`etrm train`, which hands a run of several processes over to torchrun."""
    file = folder.with_suffix(".json")
    file.write_text(json.dumps(experiment))
    return subprocess.Popen(
        [sys.executable, "-m", "worker", "train", str(file), "--out", str(folder)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def recorded(folder: Path) -> Points:
    lines = map(json.loads, (folder / METRICS_FILE).read_text().splitlines())
    points = {line.pop("step"): line for line in lines}
    return {
        step: {name: value for name, value in values.items() if name not in WALL_CLOCK}
        for step, values in points.items()
    }


@pytest.mark.parametrize("variant", ["etrm_cached", "etrm_per_demo", "trm"])
def test_two_processes_give_the_numbers_of_one(variant: str, tmp_path: Path) -> None:
    alone = trained(config(variant), tmp_path / "alone")
    process = start(raw(variant, processes=2), tmp_path / "two")
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    agree(alone, recorded(tmp_path / "two"))


def test_a_shared_run_stops_with_a_checkpoint_and_goes_on_in_one_process(tmp_path: Path) -> None:
    experiment = raw("etrm", processes=2, steps=100_000, checkpoint_every=100_000)
    process = start(experiment, tmp_path / "run")
    points = tmp_path / "run" / METRICS_FILE
    while not points.exists() or not points.read_text():
        assert process.poll() is None, process.communicate()[0]
        os.sched_yield()
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    stopped = checkpoint.load(checkpoint.find(tmp_path / "run"))
    last = stopped.step + 5
    one = config("etrm", steps=last, checkpoint_every=100_000)
    more = trained(one, tmp_path / "run")
    assert list(more) == list(range(stopped.step + 1, last + 1))
    never_stopped = trained(one, tmp_path / "whole")
    agree(more, {step: never_stopped[step] for step in more})


def test_a_batch_that_cannot_be_shared_is_refused_by_field() -> None:
    with pytest.raises(InvalidConfig, match="batch_size"):
        tiny("etrm", training={"processes": 3})
