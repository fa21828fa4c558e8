"""What a worker emits and the web shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from backend.domain.arc.grid import Grid
from backend.domain.arc.votes import OutcomeTrace
from backend.domain.intervals import wilson_interval
from backend.domain.log_levels import Level
from backend.domain.measurement import digest_of

# Notes of outcomes that no score counts.
TRUTH_UNKNOWN = "the truth is not known"
NO_EMBEDDING = "no embedding: TRM was not trained on this task's demonstrations"
UNCOUNTED = (TRUTH_UNKNOWN, NO_EMBEDDING)
# In the extras of an evaluation: what computed it, {"version", "source", "torch", "device"}.
COMPUTED_BY = "computed_by"
# In the extras of an evaluation: {"tasks": ids, "passes": {"k": [solved, n]}} of those without an embedding.
WITHOUT_EMBEDDING = "without_embedding"


class FailureMode(StrEnum):
    """Why a prediction is wrong: the first that applies, in this order (etrm.md section 9)."""

    EMPTY = "empty"
    COLLAPSED = "collapsed"
    COPIED_INPUT = "copied input"
    WRONG_SIZE = "wrong size"
    WRONG_ARRANGEMENT = "right colours, wrong arrangement"
    NEARLY_RIGHT = "nearly right"
    PARTLY_RIGHT = "partly right"
    STRUCTURED_BUT_WRONG = "structured but wrong"


def mode_words(mode: str) -> str:
    """A failure mode as people read it: `collapsed` alone is said of encoders."""
    return "collapsed to one colour" if mode == FailureMode.COLLAPSED else mode


@dataclass(frozen=True)
class MetricFrame:
    """Points of several metrics at the same steps. None where a metric has no point at a step; NaN and
    infinity are values (a loss that diverged) and are kept."""

    steps: Sequence[int]
    wall_times: Sequence[float]  # seconds since the Unix epoch
    values: Mapping[str, Sequence[float | None]]


@dataclass(frozen=True)
class Progress:
    """How far a run is, in words a table can show."""

    phase: Literal["loading", "training", "evaluating"]
    done: int
    total: int
    seconds_left: float | None = None


@dataclass(frozen=True)
class LogLine:
    """One line of a run's log."""

    wall_time: float
    level: Level
    text: str


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that is complete on disk. `path` is relative to the artifacts folder."""

    step: int
    path: str
    sha256: str
    size_bytes: int
    measured: Mapping[str, float] = field(default_factory=dict)  # the series that the best are chosen by


LOST = "lost"  # the alarm of an external run whose script fell silent; the others are of encoders


@dataclass(frozen=True)
class Alarm:
    """A diagnosis with its evidence: which measure crossed which threshold, when, in words."""

    name: str
    step: int
    value: float
    threshold: float
    text: str


@dataclass(frozen=True)
class Ruling:
    """What a stop rule decided: the training ends at this step, before its last one."""

    step: int
    verdict: Literal["refuted", "reached"]
    measure: str
    value: float
    text: str  # "stopped at step 2,000 by its stop rule: accuracy/token 12.0 % < 20.0 %"


@dataclass(frozen=True)
class Prediction:
    """One candidate answer to one test input, after voting. rank 1 is the first attempt."""

    rank: int
    grid: Grid
    votes: int
    confidence: float  # mean halting probability of its votes
    correct: bool
    cell_accuracy: float  # share of the truth's cells right; 0 where the size differs
    failure_mode: FailureMode | None  # None when correct, or when the truth is unknown


@dataclass(frozen=True)
class TestOutcome:
    """What an evaluation made of one test input."""

    __test__ = False  # not a pytest class

    task_id: str
    test_index: int
    views: int
    truth_rank: int | None  # among all candidates, not only the kept ones; None if never voted for
    candidates: tuple[Prediction, ...]
    note: str = ""  # for example: "does not fit the canvas"
    trace: OutcomeTrace | None = None  # who voted for what


@dataclass(frozen=True)
class EvaluationKey:
    """Which checkpoint was scored on what, and how: a number is never shown without it."""

    set_name: str
    step: int
    weights: Literal["ema", "raw"]
    views: int
    act_steps: int
    task_ids: tuple[str, ...]
    search: str = ""  # the search's config as JSON; empty without one
    canvas: str = ""  # "trimmed +N" to N cells around the visible grids; empty: square, as in training
    distinct_views: bool = False  # views that look alike vote once
    adaptation: str = ""  # the adaptation's config as JSON; empty without one
    intervention: str = ""  # what was taken from the model on purpose; empty: nothing

    @property
    def tasks_digest(self) -> str:
        """Of the tasks, as the database keeps it."""
        return digest_of(self.task_ids)

    @property
    def apart(self) -> tuple[str, ...]:
        """Not known before it is computed; an evaluation's row has it."""
        return ()


@dataclass(frozen=True)
class Score:
    """solved of n tasks; a task with several test inputs counts the share solved."""

    solved: float
    n: int

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson score interval at 95 %, as fractions."""
        return wilson_interval(self.solved, self.n)


@dataclass(frozen=True)
class EvaluationSummary:
    """The result of one evaluation: pass@k as solved of n for each k."""

    key: EvaluationKey
    passes: Mapping[int, Score]
    failure_modes: Mapping[str, int] = field(default_factory=dict)  # of first attempts
    seconds: float = 0.0
    extras: Mapping[str, Any] = field(default_factory=dict)
