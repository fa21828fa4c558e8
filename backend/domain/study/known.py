"""What there is of a study: its trainings and evaluations, and what they came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from backend.domain.statistics import Ranks

State = Literal["active", "finished", "failed"]


class Training(NamedTuple):
    """A run of the study."""

    configuration: str
    seed: int


class Sample(NamedTuple):
    """How the weights of a configuration are scored. An empty measurement takes the answer as it is."""

    configuration: str
    measurement: str
    set_name: str


class Scoring(NamedTuple):
    """An evaluation of the study."""

    sample: Sample
    seed: int
    tasks: int | None  # the first n; None: all


@dataclass(frozen=True)
class Trained:
    """A run, as far as it has come. `series` are recorded numbers by their measure, of a finished one."""

    state: State
    run_id: str | None  # None: it was deleted
    step: int = 0
    seconds: float = 0.0  # of computing, so far
    cause: str = ""  # of one that failed
    series: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Scored:
    """An evaluation, as far as it has come. `ranks` are those of a finished one."""

    state: State
    evaluation: int | None  # None: it was deleted
    seconds: float = 0.0
    cause: str = ""
    ranks: Ranks = field(default_factory=dict)


@dataclass(frozen=True)
class Known:
    """All of it, the seconds spent so far by the clock, and how many workers are there for it."""

    trainings: Mapping[Training, Trained] = field(default_factory=dict)
    scorings: Mapping[Scoring, Scored] = field(default_factory=dict)
    spent: float = 0.0
    workers: int = 1

    @property
    def active(self) -> int:
        """Runs and evaluations that have not ended."""
        both: list[Trained | Scored] = [*self.trainings.values(), *self.scorings.values()]
        return sum(each.state == "active" for each in both)
