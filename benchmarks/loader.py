"""Loader: samples a second of one core at 30 × 30, without a model.

Batches of 768 samples of which all are new, from the stream that training draws: TRM, which reads no
demonstrations, and ETRM with up to ten of them. By the processor's time, so that other work counts little.
Floor: copying as many cells, of eight bytes each.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable

import numpy as np
import torch

from backend.domain.config.presets import preset
from backend.domain.experiment import ExperimentConfig
from benchmarks.kit.question import Question, run
from benchmarks.kit.records import OURS, at_least
from worker.data import training_data
from worker.data.batches import BatchStream
from worker.data.sets import BuiltinTasks

SIDE = 30
PRESETS = {"TRM": "trm_arc1", "ETRM, with demonstrations": "etrm_deterministic_arc1"}


def measure(question: Question, options: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    size, times = (64, 3) if question.quick else (768, 10)
    for name, kind in PRESETS.items():
        draw, cells = drawing(config_of(kind), size)
        case = f"{name}, {size} new samples at {SIDE} × {SIDE}"
        draw()
        array = np.zeros(cells, dtype=np.int64)
        bar = at_least(4_000) if "demonstrations" in name else None
        question.add(case, "samples/s", [size / cpu_seconds(draw) for _ in range(times)], OURS, bar)
        copies = [size / cpu_seconds(array.copy, 20) for _ in range(times)]
        question.add(case, "samples/s", copies, "floor: copying its cells as int64")


def config_of(kind: str, tasks: int | None = None) -> ExperimentConfig:
    """A preset on the one canvas; of some tasks alone it builds faster."""
    config = preset(kind)
    changes = {"canvas_sizes": (SIDE,), "augmentations": 100, "first_tasks": tasks}
    return config.model_copy(update={"data": config.data.model_copy(update=changes)})


def drawing(config: ExperimentConfig, size: int) -> tuple[Callable[[], object], int]:
    """What draws a batch of new samples, and how many cells of canvases are in one."""
    stream = BatchStream(training_data.build(config, BuiltinTasks()), config, SIDE)
    firsts = itertools.count(0, size)
    canvases = 2 * (1 + stream.demonstrations)
    return lambda: stream.draw(next(firsts), size), size * canvases * SIDE**2


def cpu_seconds(action: Callable[[], object], times: int = 1) -> float:
    """Of the processor, of one call on average."""
    started = time.process_time()
    for _ in range(times):
        action()
    return max(time.process_time() - started, 1e-9) / times


if __name__ == "__main__":
    run(__file__, __doc__, measure)
