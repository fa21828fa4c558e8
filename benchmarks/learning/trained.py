"""Short trainings whose points stay in memory: what the learning benchmarks share."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from backend.domain.config.problems import parse_experiment
from backend.domain.experiment import ExperimentConfig
from backend.domain.records import Alarm
from worker.data.sets import BuiltinTasks
from worker.kit.recorder import NullRecorder
from worker.training.stop import StopSignal
from worker.training.trainer import train


@dataclass
class Points(NullRecorder):
    """Keeps points and alarms; stops the training once `enough` says so of a point."""

    stop: StopSignal = field(default_factory=StopSignal)
    enough: Callable[[Mapping[str, float]], bool] = lambda values: False
    points: dict[int, dict[str, float]] = field(default_factory=dict)
    alarms: list[Alarm] = field(default_factory=list)
    seconds: float = 0.0

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        self.points[step] = dict(values)
        if self.enough(values):
            self.stop.request("enough")

    def alarm(self, alarm: Alarm) -> None:
        self.alarms.append(alarm)

    def curve(self, name: str) -> list[float]:
        """The values of a metric, in order."""
        return [values[name] for values in self.points.values() if name in values]


def trained(
    config: ExperimentConfig, enough: Callable[[Mapping[str, float]], bool] = lambda values: False
) -> Points:
    """Train, without evaluation, in a folder that is gone afterwards."""
    torch.set_num_threads(1)  # these models are too small to share
    recorder = Points(enough=enough)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="etrm-benchmark-") as folder:
        train(config, BuiltinTasks(), recorder, Path(folder), recorder.stop)
    recorder.seconds = time.perf_counter() - started
    return recorder


def changed(config: ExperimentConfig, **sections: Mapping[str, Any]) -> ExperimentConfig:
    """`config` with some fields of its sections changed; the CPU, and no evaluation."""
    raw = config.model_dump(mode="json")
    raw["evaluation"]["sets"] = []
    raw["training"]["device"] = "cpu"
    for section, values in sections.items():
        raw[section] |= values
    return parse_experiment(raw)


def emit(line: Mapping[str, Any]) -> None:
    """One JSON line on standard output, at once."""
    print(json.dumps(line), flush=True)
