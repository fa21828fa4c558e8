"""Histograms of a training: every number of its groups once, and what a collapse looks like in them."""

from __future__ import annotations

import json
import math
import os
import socket
import subprocess
import sys
import textwrap
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
ROOT = Path(__file__).parents[4]


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


SHARED = """
    import json
    from tests.support.records.tiny_runs import tiny
    from worker.data import training_data
    from worker.data.sets import BuiltinTasks
    from worker.kit.device import open_device
    from worker.training.learner import Learner
    from worker.training.ranks import Ranks

    config = tiny("etrm", health={"probe_every": None, "histogram_every": 1})
    with Ranks.of_environment() as ranks:
        data = training_data.build(config, BuiltinTasks())
        learner = Learner(config, data, open_device(config.training), ranks)
        for _ in range(2):
            learner.advance()
        learner.read()
        for groups in [*learner.histograms.take().values()][-1:]:
            print(json.dumps({name: [*zip(each.bins, each.counts)] for name, each in groups.items()}))
"""


def shared(processes: int) -> dict[str, dict[int, int]]:
    """Histograms of the second step of so many processes that share each batch."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    world = {"WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(SHARED)],
            env={**os.environ, **world, "RANK": str(rank), "OMP_NUM_THREADS": "1"},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(processes)
    ]
    printed = [process.communicate(timeout=300)[0] for process in started]
    assert [process.returncode for process in started] == [0] * processes
    return {name: dict(pairs) for name, pairs in json.loads(printed[0]).items()}


@pytest.mark.slow
def test_two_processes_count_what_one_counts() -> None:
    alone, two = shared(1), shared(2)
    assert alone.keys() == two.keys()
    for name, counts in alone.items():
        assert sum(two[name].values()) == sum(counts.values()), name
        moved = sum(abs(counts.get(at, 0) - two[name].get(at, 0)) for at in counts.keys() | two[name].keys())
        assert moved <= 0.02 * sum(counts.values()) + 2, name  # rounding takes a few over an edge


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
