"""Histograms of a training: every number of its groups once, and what a collapse looks like in them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from backend.domain.histograms import Histogram, of_codes
from tests.support.records.tiny_runs import MODELS, Memory, tiny
from worker.data import training_data
from worker.data.sets import BuiltinTasks
from worker.kit.device import open_device
from worker.models.context.puzzle_embedding import PuzzleEmbedding
from worker.training.health.histograms import counted
from worker.training.learner import Learner
from worker.training.stop import StopSignal
from worker.training.trainer import train

CPU = torch.device("cpu")


def trained(folder: Path, variant: str = "etrm", steps: int = 6, **sections: Any) -> Memory:
    memory = Memory()
    sections = {"evaluation": {"sets": []}, "health": {"histogram_every": 2, "probe_every": None}} | sections
    train(tiny(variant, steps, **sections), BuiltinTasks(), memory, folder, StopSignal())
    return memory


def numbers_of(values: np.ndarray[Any, Any]) -> Histogram:
    codes = values.astype(np.float32).view(np.uint32) >> 21
    return of_codes(np.bincount(codes, minlength=2048).tolist())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_the_device_counts_as_numpy_does(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    odd = torch.tensor([0.0, -0.0, math.nan, math.inf, -math.inf, 1e-40, -3e38, 1e-300])
    tensors = [each.to(dtype) for each in (torch.randn(300, 7), odd, torch.randn(5, 4).T, torch.empty(0))]
    values = np.concatenate([each.float().numpy().reshape(-1) for each in tensors])
    found = of_codes(counted(tensors, CPU).tolist())
    assert found == numbers_of(values)
    assert (found.nan, found.infinite, found.total) == (1, 2, 300 * 7 + 8 + 20)


@pytest.mark.parametrize("variant", MODELS)
def test_every_weight_and_every_gradient_is_in_one_group(variant: str, tmp_path: Path) -> None:
    config = tiny(variant)
    learner = Learner(config, training_data.build(config, BuiltinTasks()), open_device(config.training))
    weights = sum(parameter.numel() for parameter in learner.reasoner.parameters())
    learner.advance()
    learner.read()
    taken = learner.histograms.take()
    assert [*taken] == [1]
    totals = {name: histogram.total for name, histogram in taken[1].items()}
    puzzles = totals.pop("weights/puzzles", 0)
    context = learner.reasoner.context
    assert puzzles == (context.table.numel() if isinstance(context, PuzzleEmbedding) else 0)
    of_weights = {name: total for name, total in totals.items() if name.startswith("weights/")}
    assert sum(of_weights.values()) == weights
    assert {name.partition("/")[2] for name in of_weights} == {"core_1", "heads", "embeddings"} | (
        set() if variant == "trm" else {"encoder"}
    )
    assert sum(total for name, total in totals.items() if name.startswith("gradients/")) == weights
    core = config.model.core
    assert totals["context/values"] == 4 * core.context_tokens * core.width
    assert totals["context/deviation"] == core.context_tokens * core.width
    assert learner.histograms.take() == {}


def test_they_come_at_the_first_step_and_at_every_so_many(tmp_path: Path) -> None:
    assert sorted(trained(tmp_path / "a").counted) == [1, 2, 4, 6]
    never = trained(tmp_path / "b", health={"histogram_every": None, "probe_every": None})
    assert never.counted == {}


def test_they_change_no_number(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    often = trained(tmp_path / "a", health={"histogram_every": 1})
    never = trained(tmp_path / "b", health={"histogram_every": None})
    assert often.points == never.points


def test_a_diverged_run_shows_where_nan_came_from(tmp_path: Path) -> None:
    config = tiny("etrm", health={"histogram_every": 1})
    learner = Learner(config, training_data.build(config, BuiltinTasks()), open_device(config.training))
    learner.advance()
    learner.reasoner.token_head.weight.data.fill_(math.nan)
    learner.advance()
    learner.read()
    first, second = learner.histograms.take().values()
    assert first["weights/heads"].nan == 0
    assert second["weights/heads"].nan >= learner.reasoner.token_head.weight.numel()
    assert second["gradients/core_1"].nan > 0


def test_in_a_run_that_collapses_the_spread_of_contexts_shrinks(tmp_path: Path) -> None:
    """An encoder that heavy decay shrinks: its contexts differ less and less between the samples."""
    shrinking = {"learning_rate": 0.02, "weight_decay": 10.0, "warmup_steps": 1}
    memory = trained(
        tmp_path,
        steps=24,
        optimisation=shrinking,
        health={"histogram_every": 4, "probe_every": None},
    )
    spread = [memory.counted[step]["context/deviation"].quantiles([0.5]) for step in (1, 24)]
    assert all(spread)
    (before,), (after,) = spread  # type: ignore[misc]
    assert after < before / 4
