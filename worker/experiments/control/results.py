"""What the trained variants can do: read from their folders, and asked of the VAE with and without search."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from backend.domain.experiment import GradientSearch, NoSearch, RandomSearch, SearchConfig
from backend.domain.records import Score, TestOutcome
from backend.domain.statistics import pass_at, task_scores
from worker.data.sets import TaskSource
from worker.experiments.control.variants import Variant
from worker.kit.recorder import NullRecorder
from worker.recording.console import METRICS_FILE
from worker.training.scoring import finished_evaluations, score_settings
from worker.training.stop import StopSignal

ACT_STEPS = (1, 2, 4, 8, 16, 32)  # of the lines without a signal
GRADIENT_STEPS = (1, 3, 10, 30, 100)  # of the lines with one; the last is LPN's
SAMPLES = (3, 30, 300)  # of random search: about what gradient steps cost

Signal = Literal["gradient", "random", "none"]
Scores = Mapping[str, float]  # task id -> share of its test inputs solved at the first attempt


@dataclass(frozen=True)
class VariantResult:
    """How a variant learned."""

    variant: Variant
    held_out: tuple[tuple[int, Score], ...]  # (step, pass@1 on rules it never saw), ascending
    fitted: tuple[tuple[int, float], ...]  # (step, share of training grids right)
    scores: Scores  # of the last evaluation
    seconds: float  # of training steps

    @property
    def score(self) -> Score:
        """pass@1 after the last step."""
        return self.held_out[-1][1]

    @property
    def mean_share(self) -> float:
        """pass@1 on average over the evaluated steps: the sooner it learns, the higher."""
        return sum(score.solved / score.n for _, score in self.held_out) / len(self.held_out)

    def first_step_above(self, share: float) -> int | None:
        """The first evaluated step at which that share of the held-out rules was solved."""
        return next((step for step, score in self.held_out if score.solved >= share * score.n), None)


@dataclass(frozen=True)
class SearchResult:
    """The VAE under one way of thinking longer."""

    signal: Signal
    amount: int  # gradient steps, samples or ACT steps
    passes: float  # of one grid through the core, forwards, per test input
    score: Score
    scores: Scores


def read_variant(variant: Variant, folder: Path) -> VariantResult:
    """What a finished training left in its folder."""
    points = [json.loads(line) for line in (folder / METRICS_FILE).read_text().splitlines()]
    by_step = {point["step"]: point for point in points}
    training = variant.config.training
    files = finished_evaluations(folder)
    files = [file for file in files if not file.key.search and not file.key.adaptation]
    plain = [file for file in files if file.key.act_steps == act_steps_of(variant)]
    final = plain[-1].outcomes
    return VariantResult(
        variant=variant,
        held_out=tuple((file.key.step, _score(file.outcomes)) for file in plain),
        fitted=tuple(
            (step, point["accuracy/exact"])
            for step, point in sorted(by_step.items())
            if "accuracy/exact" in point
        ),
        scores=_scores(final),
        seconds=sum(
            training.log_every * training.batch_size / point["samples_per_second"]
            for point in by_step.values()
        ),
    )


def act_steps_of(variant: Variant) -> int:
    """The ACT steps it is trained and evaluated with."""
    return variant.config.model.act.max_steps


def think_longer(
    variant: Variant, folder: Path, source: TaskSource, stop: StopSignal
) -> tuple[SearchResult, ...]:
    """The variant with more ACT steps, with search, and with neither."""
    usual = act_steps_of(variant)
    settings: list[tuple[Signal, int, int, SearchConfig]] = [
        *(("none", steps, steps, NoSearch()) for steps in ACT_STEPS),
        *(("gradient", steps, usual, GradientSearch(steps=steps)) for steps in GRADIENT_STEPS),
        *(("random", samples, usual, RandomSearch(samples=samples)) for samples in SAMPLES),
    ]
    changes = [{"act_steps": act, "search": search.model_dump()} for _, _, act, search in settings]
    files = score_settings(folder, changes, source, NullRecorder(), stop)
    return tuple(
        SearchResult(
            signal, amount, act + _decodes(file.outcomes), _score(file.outcomes), _scores(file.outcomes)
        )
        for (signal, amount, act, _), file in zip(settings, files, strict=True)
    )


def _decodes(outcomes: Sequence[TestOutcome]) -> float:
    """Demonstrations decoded per test input."""
    searches = [outcome.trace.search for outcome in outcomes if outcome.trace]
    return sum(search.decodes for search in searches if search) / len(outcomes)


def _ranks(outcomes: Sequence[TestOutcome]) -> dict[str, list[int | None]]:
    ranks: dict[str, list[int | None]] = {}
    for outcome in outcomes:
        ranks.setdefault(outcome.task_id, []).append(outcome.truth_rank)
    return ranks


def _score(outcomes: Sequence[TestOutcome]) -> Score:
    return pass_at(_ranks(outcomes), 1)


def _scores(outcomes: Sequence[TestOutcome]) -> Scores:
    return task_scores(_ranks(outcomes), 1)
