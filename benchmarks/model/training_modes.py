"""The ways of training that are compared: each takes single steps on a canvas of one's choice."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import numpy as np
import psutil
import torch

from backend.domain.arc.files import merge_solutions, parse_tasks
from backend.domain.arc.task import Task
from backend.domain.config.presets import etrm_deterministic_arc1, quick
from backend.domain.experiment import EtrmModel, ExperimentConfig
from benchmarks.flops import step_flops
from benchmarks.model import plain
from tests.support.dense import dense_batch
from worker.data import training_data
from worker.data.batches import BatchStream
from worker.data.sets import BuiltinTasks, TasksInMemory
from worker.data.training_data import TrainingData
from worker.kit.device import Device, open_device
from worker.models.context.deterministic import DemonstrationSource
from worker.training.learner import Learner

ARC, HELD_OUT, EXTRA = "arc-agi-1/training", "arc-agi-1/evaluation", "extra"
PUBLISHED_CANVAS = (30,)
BUCKETS = (10, 15, 20, 25, 30)


class Mode(Protocol):
    """A way of training. `shares` says how often each canvas comes."""

    name: str
    precision: str
    shares: dict[int, float]
    batch_size: int

    def step(self, side: int) -> None:
        """One optimiser step on that canvas."""
        ...

    def flops(self, side: int) -> float:
        """Operations of the step before."""
        ...


class Product:
    """The lab's own training step."""

    def __init__(self, name: str, config: ExperimentConfig, data: TrainingData, *, pack: bool) -> None:
        self.name, self.config, self.pack = name, config, pack
        self.precision, self.batch_size = config.training.precision, config.training.batch_size
        self.shares = shares_of(data)
        self.learner = Learner(config, data, open_device(config.training))
        source = self.learner.reasoner.context
        assert isinstance(source, DemonstrationSource)
        source.pack = pack
        self._side = 0
        self.learner._side_of = lambda step: self._side  # type: ignore[method-assign]

    def step(self, side: int) -> None:
        self._side = side
        self.learner.advance()
        _wait(self.learner.device)

    def flops(self, side: int) -> float:
        there = self.learner.slots[side].demonstrations
        model = self.config.model
        assert isinstance(model, EtrmModel)
        encoded = int(there.sum()) if self.pack else there.size
        return step_flops(model, side**2, self.batch_size, there.size, encoded)


class Plain:
    """The plain transcription, on the batches that the faithful mode draws."""

    name = "plain"

    def __init__(self, config: ExperimentConfig, data: TrainingData) -> None:
        self.config, self.precision = config, config.training.precision
        self.batch_size = config.training.batch_size
        self.shares = shares_of(data)
        (side,) = self.shares
        self.device = open_device(config.training)
        self.stream = BatchStream(data, config, side)
        self.trainer = plain.Trainer(sizes_of(config), self.device.torch, bf16=self.precision == "bf16")

    def step(self, side: int) -> None:
        self.trainer.step(dense_batch(self.stream, self.trainer.free(self.batch_size).cpu().numpy()))
        _wait(self.device)

    def flops(self, side: int) -> float:
        assert isinstance(self.config.model, EtrmModel)
        places = self.batch_size * self.stream.demonstrations
        return step_flops(self.config.model, side**2, self.batch_size, places, places)


def sizes_of(config: ExperimentConfig) -> plain.Sizes:
    """The sizes of a config, as the transcription knows them."""
    model, moves = config.model, config.optimisation
    assert isinstance(model, EtrmModel)
    core = model.core
    return plain.Sizes(
        width=core.width,
        heads=core.heads,
        layers=core.layers,
        encoder_layers=model.encoder.layers,
        inner=-(-round(core.expansion * core.width * 2 / 3) // 256) * 256,
        h_cycles=core.h_cycles,
        l_cycles=core.l_cycles,
        context_tokens=core.context_tokens,
        max_steps=model.act.max_steps,
        exploration=model.act.exploration,
        learning_rate=moves.learning_rate,
        warmup_steps=moves.warmup_steps,
    )


class Tasks:
    """ARC-AGI-1, and the tasks of a folder or a file beside it."""

    def __init__(self, extra: Path | None) -> None:
        sets = {name: BuiltinTasks().tasks(name) for name in (ARC, HELD_OUT)}
        if extra is not None:
            sets[EXTRA] = read_extra(extra)
        self.training_sets = tuple(name for name in sets if name != HELD_OUT)
        self.source = TasksInMemory(sets)

    def config(
        self, size: str, batch_size: int, canvases: tuple[int, ...], precision: str
    ) -> ExperimentConfig:
        """Published data and steps, the model of a size."""
        base = etrm_deterministic_arc1()
        model = base.model if size == "published" else quick().model
        data = base.data.model_copy(update={"training_sets": self.training_sets, "canvas_sizes": canvases})
        training = base.training.model_copy(update={"batch_size": batch_size, "precision": precision})
        return base.model_copy(update={"model": model, "data": data, "training": training})

    def build(self, config: ExperimentConfig) -> TrainingData:
        return training_data.build(config, self.source)


def read_extra(path: Path) -> tuple[Task, ...]:
    """Tasks in Kaggle's form: a file of challenges, or a folder of such files with their solutions."""
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    found: list[Task] = []
    for file in files:
        if "solutions" in file.name:
            continue
        tasks = parse_tasks(file.read_bytes(), file.name)
        solutions = file.with_name(file.name.replace("challenges", "solutions"))
        if solutions != file and solutions.exists():
            tasks = merge_solutions(tasks, solutions.read_bytes(), solutions.name)
        found += tasks
    return tuple(found)


def shares_of(data: TrainingData) -> dict[int, float]:
    """The share of the steps that each canvas gets in training."""
    counts = {side: len(tasks) for side, tasks in data.by_canvas.items()}
    return {side: count / sum(counts.values()) for side, count in counts.items()}


def timed(mode: Mode, side: int) -> float:
    """Seconds of one step."""
    started = time.perf_counter()
    mode.step(side)
    return time.perf_counter() - started


@contextmanager
def peak_memory() -> Iterator[list[int]]:
    """The most memory held inside the context, put into the list: of the GPU, or of this process."""
    peaks: list[int] = []
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        yield peaks
        peaks.append(torch.cuda.max_memory_allocated())
        return
    done, process = threading.Event(), psutil.Process()
    seen = [process.memory_info().rss]

    def watch() -> None:
        while not done.wait(0.02):
            seen.append(process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peaks
    finally:
        done.set()
        watcher.join()
    peaks.append(int(np.max(seen)))


def _wait(device: Device) -> None:
    if device.torch.type == "cuda":
        torch.cuda.synchronize(device.torch)
