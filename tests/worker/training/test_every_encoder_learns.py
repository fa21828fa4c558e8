"""Every encoder: the gradient reaches all of it, the loss falls. Figures: benchmarks/learning/overfit.py."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from backend.domain.experiment import ENCODERS
from tests.support.records.tiny_runs import Memory, tiny
from worker.data.sets import BuiltinTasks
from worker.training.stop import StopSignal
from worker.training.trainer import train


@pytest.mark.parametrize("kind", ENCODERS)
def test_the_gradient_reaches_all_of_the_encoder_and_the_loss_falls(kind: str, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    memory = Memory()
    config = tiny(
        steps=40,
        model={"encoder": {"kind": kind, **ENCODERS[kind].small}},
        training={"log_every": 20, "checkpoint_every": 40, "batch_size": 8},
        evaluation={"sets": []},
    )
    train(config, BuiltinTasks(), memory, tmp_path, StopSignal())
    first, last = memory.points[20], memory.points[40]
    assert [values["encoder/gradient_coverage"] for values in (first, last)] == [1, 1]
    assert last["encoder/sample_coverage"] == 1
    assert 0 < last["encoder/gradient_share"] < 1
    assert last["loss/prediction"] < 0.95 * first["loss/prediction"]
    assert memory.alarms == []
