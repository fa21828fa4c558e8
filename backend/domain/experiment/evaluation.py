"""How checkpoints are scored."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from backend.domain.experiment.adaptation import AdaptationConfig, NoAdaptation
from backend.domain.experiment.fields import Config, field
from backend.domain.experiment.search import NoSearch, SearchConfig


class EvaluationSet(Config):
    """Which tasks of which set are evaluated."""

    name: str = field(
        "arc-agi-1/evaluation", "Set", "A built-in, generated or imported set.", min_length=1, max_length=200
    )
    first_tasks: int | None = field(
        32, "First n tasks", "The first n tasks in id order; empty means all.", unit="tasks", ge=1
    )
    that_fit: bool = field(
        False,
        "Only tasks that fit",
        "Choose among the tasks whose demonstrations and test inputs fit the largest canvas. "
        "Off: a task that does not fit counts as failed.",
        advanced=True,
    )


class EvaluationConfig(Config):
    """Scoring: augmented views, undone and voted on."""

    sets: tuple[EvaluationSet, ...] = field(
        lambda: (EvaluationSet(),), "Evaluated sets", "Each is scored at the end of training.", max_length=8
    )
    views: int = field(
        32, "Views", "Augmented forms of each test input that vote.", unit="views", ge=1, le=10_000
    )
    distinct_views: bool = field(
        False,
        "Distinct views",
        "Only views that look different vote, each once (as published); a task of few colours or many "
        "symmetries may have fewer than asked for. Off: views that look alike vote each.",
        advanced=True,
    )
    act_steps: int | None = field(
        None, "ACT steps", "ACT steps in evaluation; empty means as in training.", ge=1, le=256, advanced=True
    )
    weights: Literal["ema", "raw"] = field("ema", "Weights", "Moving average (published) or raw.")
    batch_size: int = field(
        64, "Evaluation batch", "Views per forward pass.", unit="views", ge=1, le=8192, advanced=True
    )
    every: int | None = field(
        None,
        "Evaluate every",
        "Also evaluate during training, every n steps; empty means only at the end.",
        unit="steps",
        ge=1,
        advanced=True,
    )
    trim: int | None = field(
        None,
        "Trim the canvas",
        "Leave out the rows and columns of a canvas beyond the visible grids and this many cells around "
        "them; empty means the square canvas. Cells keep their places, only padding goes: fast where grids "
        "are not square. 1 keeps the end marks of the largest grids, 0 is fastest.",
        unit="cells",
        ge=0,
        le=29,
        advanced=True,
    )
    keep_candidates: int = field(
        5, "Candidates kept", "Top candidates stored per test input.", ge=2, le=100, advanced=True
    )

    trace_steps: bool = field(
        False,
        "Record ACT steps",
        "Keep what the unchanged view of each test input shows after every ACT step.",
        advanced=True,
    )
    adaptation: AdaptationConfig = field(
        NoAdaptation,
        "Adaptation",
        "Test-time training: before a task is answered, a copy of the model learns from the task's own "
        "demonstrations. Nothing of it is kept for the next task. No test output is read.",
    )
    search: SearchConfig = field(
        NoSearch,
        "Search",
        "Guided refinement: the latent of each view is moved to explain its demonstrations before the test "
        "input is answered. No test output is read.",
    )

    @model_validator(mode="after")
    def _each_set_once(self) -> EvaluationConfig:
        names = [each.name for each in self.sets]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            raise ValueError(f"sets names {twice} more than once: evaluate it once, with all its tasks")
        return self
