"""Training steps on a GPU: every model, both precisions, compiled, without a wait, on two GPUs.

Skipped where there is no GPU: `pytest -m gpu` on a machine with one.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from backend.domain.config.problems import parse_experiment
from backend.domain.experiment import ENCODERS
from tests.support.records.tiny_runs import tiny_raw
from worker.data import training_data
from worker.data.sets import BuiltinTasks
from worker.kit.device import open_device
from worker.models.layers import attend
from worker.recording.console import METRICS_FILE
from worker.training.learner import Learner

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.slow,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that torch can use"),
]
MODELS = ("trm", *ENCODERS)


def learner_of(kind: str, device: str = "cuda", **training: Any) -> Learner:
    raw = tiny_raw("trm" if kind == "trm" else "etrm", training={**training, "device": device})
    if kind != "trm":
        raw["model"] = {**raw["model"], "encoder": {"kind": kind}}
    raw["health"] = {"probe_every": None}
    config = parse_experiment(raw)
    return Learner(config, training_data.build(config, BuiltinTasks()), open_device(config.training))


def losses(learner: Learner, steps: int) -> list[float]:
    found = []
    for _ in range(steps):
        learner.advance()
        found.append(learner.read()["loss"])
    return found


@pytest.mark.parametrize("kind", MODELS)
def test_a_step_computes_what_it_does_on_a_cpu(kind: str) -> None:
    """TF32 rounds products to 10 bits, and the recursion amplifies that: the first step alone is compared."""
    assert losses(learner_of(kind), 1) == pytest.approx(losses(learner_of(kind, "cpu"), 1), rel=1e-2)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "bf16_weights"])
@pytest.mark.parametrize("kind", MODELS)
def test_every_model_learns_in_every_precision(kind: str, precision: str) -> None:
    course = losses(learner_of(kind, precision=precision), 40)
    assert sum(course[-5:]) < sum(course[:5])


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("kind", MODELS)
def test_compiled_blocks_compute_the_same(kind: str, precision: str) -> None:
    plain = losses(learner_of(kind, precision=precision), 2)
    compiled = losses(learner_of(kind, precision=precision, compile=True), 2)
    assert compiled == pytest.approx(plain, rel=1e-3 if precision == "fp32" else 3e-2)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("kind", MODELS)
def test_no_step_waits_for_the_gpu(kind: str, precision: str) -> None:
    learner = learner_of(kind, precision=precision)
    for _ in range(6):  # every canvas once, and the tables that steps share
        learner.advance()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(6):
            learner.advance()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert learner.read()["loss"] > 0


def test_attention_in_bf16_takes_the_flash_kernel() -> None:
    rows = [torch.randn(2, 8, 916, 64, device="cuda", dtype=torch.bfloat16) for _ in range(3)]
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as record:
        attend(*rows)
    names = {event.key for event in record.key_averages()}
    assert names & {"aten::_scaled_dot_product_flash_attention", "aten::_scaled_dot_product_cudnn_attention"}


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
def test_two_gpus_compute_what_one_does(tmp_path: Path) -> None:
    found = []
    for processes in (1, 2):
        shared = {"device": "cuda", "processes": processes, "log_every": 1}
        raw = tiny_raw("etrm", 3, training=shared, evaluation={"sets": []})
        file, folder = tmp_path / f"{processes}.json", tmp_path / str(processes)
        file.write_text(json.dumps(raw))
        command = [sys.executable, "-m", "worker", "train", str(file), "--out", str(folder)]
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        lines = (folder / METRICS_FILE).read_text().splitlines()
        found.append([json.loads(line)["loss"] for line in lines])
    assert found[0] == pytest.approx(found[1], rel=1e-2)
