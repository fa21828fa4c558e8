"""How long a run takes and what it needs, from what runs like it were measured at; never guessed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from statistics import median
from typing import Any

from pydantic import Field
from sqlalchemy.orm import Session

from backend.domain.experiment import ExperimentConfig
from backend.domain.experiment.identity import canonical_json, deviations, read_stored
from backend.kit.model import Model
from backend.metrics import service as series
from backend.run_view.values import RunLine, RunValues

SPEED, MEMORY = "samples_per_second", "memory_bytes:max"
LOOKED_AT = 200  # newest runs of the variant
ENOUGH = 5  # newest runs like it that count
POINTS = 200  # of a run's speeds that are looked at
SECTIONS = ("schema_version", "model", "data", "training", "objective")
# What of a section changes the speed; None: all of it.
TELLING: Mapping[str, tuple[str, ...] | None] = {
    "model": None,
    "objective": None,
    "data": None,
    "training": ("batch_size", "precision", "processes", "accumulate", "compile", "device"),
}


class EstimateView(Model):
    """One run's training, evaluation not counted. All null where no run like it was measured."""

    measured_runs: int = Field(description="Runs with the same model, canvas, batch and device it rests on.")
    samples_per_second: float | None = Field(description="Median of their median speeds.")
    seconds: float | None = Field(description="steps x batch size / speed.")
    process_hours: float | None = Field(description="seconds x training.processes: GPU-hours on GPUs.")
    memory_bytes: float | None = Field(description="The most that any of them took on its device.")


class Estimates:
    """Of many configs, one after another: the runs of a variant and the speed of a kind are read once."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._measured: dict[str, list[RunLine]] = {}  # by variant
        self._speeds: dict[tuple[str, str], tuple[int, float, float | None]] = {}  # by variant and key

    def of(self, config: ExperimentConfig) -> EstimateView:
        """The estimate for one run of `config`."""
        runs, speed, memory = self._speed(config.variant, _key(config))
        if not runs:
            return EstimateView(
                measured_runs=0, samples_per_second=None, seconds=None, process_hours=None, memory_bytes=None
            )
        seconds = config.training.steps * config.training.batch_size / speed
        return EstimateView(
            measured_runs=runs,
            samples_per_second=speed,
            seconds=seconds,
            process_hours=seconds * config.training.processes / 3600,
            memory_bytes=memory,
        )

    def _speed(self, variant: str, key: str) -> tuple[int, float, float | None]:
        """(runs like it, their median samples per second, the most memory any of them took)."""
        if (variant, key) not in self._speeds:
            if variant not in self._measured:
                self._measured[variant] = _measured(self._session, variant)
            like = [line.id for line in self._measured[variant] if _key_of_stored(line.sections) == key]
            self._speeds[variant, key] = self._read(like[:ENOUGH])
        return self._speeds[variant, key]

    def _read(self, like: list[str]) -> tuple[int, float, float | None]:
        if not like:
            return 0, 0.0, None
        values = RunValues.of_runs(self._session, [MEMORY], like)
        curves = series.of_runs(self._session, like, [SPEED], POINTS)
        # Of a whole run: the first and the last interval may have been slow, or the machine busy for a while.
        speeds = [median(filter(_is_speed, curves[run_id][SPEED].values.tolist())) for run_id in like]
        return len(like), median(speeds), max(_numbers(values, MEMORY), default=None)


def of(session: Session, config: ExperimentConfig) -> EstimateView:
    """The estimate for one run of `config`."""
    return Estimates(session).of(config)


def _measured(session: Session, variant: str) -> list[RunLine]:
    """The newest runs of a variant whose speed is known, with the sections of their configs."""
    values = RunValues(session, ["variant", SPEED])
    ids = [
        line.id
        for line in values.lines
        if values.value(line, "variant") == variant and _is_speed(values.value(line, SPEED))
    ]
    return RunValues.of_runs(session, SECTIONS, ids[:LOOKED_AT]).lines


def _numbers(values: RunValues, name: str) -> list[float]:
    found = (values.value(line, name) for line in values.lines)
    return [float(value) for value in found if isinstance(value, int | float)]


def _is_speed(value: object) -> bool:
    return isinstance(value, int | float) and value > 0


def _key(config: ExperimentConfig) -> str:
    """The same for configs that train at the same speed."""
    found = deviations(config)
    telling = {
        section: {
            key: value for key, value in found.get(section, {}).items() if names is None or key in names
        }
        for section, names in TELLING.items()
    }
    return canonical_json(telling)


def _key_of_stored(sections: Mapping[str, Any]) -> str | None:
    """The key of a run by the sections of its config; None where today's code cannot read them."""
    stored = {name: value for name, value in sections.items() if value is not None}
    return _key_of_text(canonical_json(stored))


@lru_cache(maxsize=1024)  # seeds, and whole sweeps, share their sections
def _key_of_text(sections: str) -> str | None:
    config = read_stored(json.loads(sections))
    return None if config is None else _key(config)
