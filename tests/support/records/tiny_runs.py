"""Runs of a second or two: few weights, few tasks, two canvases, and a memory in a database's place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from backend.domain.config.problems import parse_experiment
from backend.domain.experiment import ExperimentConfig
from backend.domain.histograms import Histogram
from backend.domain.records import Alarm, EvaluationKey, EvaluationSummary, Progress, Ruling, TestOutcome
from backend.domain.snapshots import Snapshot
from worker.kit.recorder import NullRecorder
from worker.training.stop import StopSignal

WALL_CLOCK = {"samples_per_second", "memory_bytes"}

_CORE = {"width": 16, "heads": 2, "layers": 1, "h_cycles": 2, "l_cycles": 1, "context_tokens": 2}
_ETRM: dict[str, Any] = {
    "kind": "etrm",
    "core": _CORE,
    "act": {"max_steps": 3},
    "encoder": {"kind": "deterministic", "layers": 1},
}
MODELS: dict[str, dict[str, Any]] = {
    "etrm": _ETRM,
    "etrm_cached": {**_ETRM, "reencode": False},
    "etrm_iterative": {**_ETRM, "encoder": {"kind": "iterative", "layers": 1, "refine_layers": 1}},
    "etrm_variational": {**_ETRM, "encoder": {"kind": "variational", "layers": 1}},
    "trm": {"kind": "trm", "core": _CORE, "act": {"max_steps": 3}, "embedding_width": 16},
}


def tiny_raw(variant: str = "etrm", steps: int = 40, **sections: dict[str, Any]) -> dict[str, Any]:
    """The JSON of a tiny run; `sections` change fields of its sections."""
    raw: dict[str, Any] = {
        "model": MODELS[variant],
        "data": {"first_tasks": 12, "canvas_sizes": [7, 10], "augmentations": 2, "max_demonstrations": 2},
        "optimisation": {"learning_rate": 1e-2, "warmup_steps": 5},
        "training": {
            "steps": steps,
            "batch_size": 4,
            "device": "cpu",
            "log_every": 7,
            "checkpoint_every": 10,
        },
        "evaluation": {
            "sets": [{"name": "arc-agi-1/training", "first_tasks": 3, "that_fit": True}],
            "views": 3,
            "batch_size": 4,
        },
    }
    for name, changes in sections.items():
        raw[name] = {**raw.get(name, {}), **changes}
    return raw


def tiny(variant: str = "etrm", steps: int = 40, **sections: dict[str, Any]) -> ExperimentConfig:
    """The config of `tiny_raw`."""
    return parse_experiment(tiny_raw(variant, steps, **sections))


class Memory(NullRecorder):
    """Keeps what a database would, except wall-clock metrics; may call back on the way."""

    def __init__(self, on_outcome: Callable[[int], None] = lambda count: None) -> None:
        self.points: dict[int, dict[str, float]] = {}
        self.counted: dict[int, dict[str, Histogram]] = {}
        self.snapshots: dict[int, Snapshot] = {}
        self.outcomes: dict[tuple[int, str, int], TestOutcome] = {}
        self.summaries: dict[int, EvaluationSummary] = {}
        self.lines: list[str] = []
        self.alarms: list[Alarm] = []
        self.rulings: list[Ruling] = []
        self.progresses: list[Progress] = []
        self.wall_clock: list[set[str]] = []
        self._on_outcome = on_outcome

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        self.points[step] = {name: value for name, value in values.items() if name not in WALL_CLOCK}
        self.wall_clock.append(set(values) & WALL_CLOCK)

    def histograms(self, step: int, groups: Mapping[str, Histogram]) -> None:
        self.counted[step] = dict(groups)

    def contexts(self, snapshot: Snapshot) -> None:
        self.snapshots[snapshot.step] = replace(snapshot, wall_time=0.0)

    def progress(self, progress: Progress) -> None:
        self.progresses.append(progress)

    def log(self, text: str, level: str = "info") -> None:
        self.lines.append(f"{level}: {text}")

    def ruled(self, ruling: Ruling) -> None:
        self.rulings.append(ruling)

    def alarm(self, alarm: Alarm) -> None:
        self.alarms.append(alarm)

    def outcome(self, key: EvaluationKey, outcome: TestOutcome) -> None:
        self.outcomes[key.step, outcome.task_id, outcome.test_index] = outcome
        self._on_outcome(len(self.outcomes))

    def evaluation_finished(self, summary: EvaluationSummary) -> None:
        self.summaries[summary.key.step] = summary


class StopAfter(StopSignal):
    """Asks to stop once it has been looked at that often: a stop at a chosen step."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self._looks_left = steps

    @property
    def requested(self) -> bool:
        self._looks_left -= 1
        return self._looks_left < 0 or super().requested
