"""What trainings and measurements left behind: of each seed, the tasks it solves."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from backend.domain.arc.votes import OutcomeTrace
from backend.domain.crossed import CrossedDifference, Table, crossed_difference
from backend.domain.records import TestOutcome
from backend.domain.statistics import Mean, mean_of_shares, ranks_by_task, task_scores
from worker.experiments.control.jobs import Training
from worker.experiments.control.methods import Method
from worker.recording.console import METRICS_FILE
from worker.training.scoring import OutcomeFile

Scores = Mapping[str, float]  # task id -> share of its test inputs solved at the first attempt


@dataclass(frozen=True)
class Solved:
    """What every seed solves of the same tasks."""

    by_seed: Mapping[int, Scores]

    @cached_property
    def table(self) -> Table:
        """(seeds, tasks): scores in the order of seeds and of task ids. ValueError if the tasks differ."""
        tasks = sorted(next(iter(self.by_seed.values())))
        if any(sorted(scores) != tasks for scores in self.by_seed.values()):
            raise ValueError("the seeds were not asked the same tasks")
        return [[self.by_seed[seed][task] for task in tasks] for seed in sorted(self.by_seed)]

    @property
    def tasks(self) -> int:
        """How many tasks each seed was asked."""
        return len(self.table[0])

    @property
    def shares(self) -> list[float]:
        """pass@1 of each seed."""
        return [math.fsum(row) / self.tasks for row in self.table]

    @cached_property
    def share(self) -> Mean:
        """pass@1 over the seeds.

        At least as wide as the interval of the tasks alone: the seeds are asked the same ones, so more seeds
        are not more tasks.
        """
        found = mean_of_shares(self.shares, self.tasks)
        assert found is not None  # there is a seed
        return found

    @cached_property
    def interval(self) -> tuple[float, float]:
        """Of the share; (0, 1) for a single seed, which says nothing of other seeds."""
        low, high = self.share.low, self.share.high
        return (0.0, 1.0) if low is None or high is None else (low, high)

    def minus(self, other: Solved) -> CrossedDifference | None:
        """The mean difference on the same seeds and tasks, with its interval over both; None for one seed.

        ValueError if the seeds or tasks differ.
        """
        if self.by_seed.keys() != other.by_seed.keys():
            raise ValueError("paired results need the same seeds on both sides")
        if any(self.by_seed[seed].keys() != scores.keys() for seed, scores in other.by_seed.items()):
            raise ValueError("paired results need the same tasks on both sides")
        return crossed_difference(self.table, other.table) if len(self.table) > 1 else None


def mean_over(points: Sequence[Solved]) -> Solved:
    """Each seed's task scores on average over several evaluations: the sooner it learns, the higher."""
    return Solved(
        {
            seed: {
                task: math.fsum(each.by_seed[seed][task] for each in points) / len(points) for task in scores
            }
            for seed, scores in points[0].by_seed.items()
        }
    )


@dataclass(frozen=True)
class VariantResult:
    """How a variant learned under each of its seeds."""

    letter: str
    title: str
    label: str
    steps: tuple[int, ...]  # that were evaluated, ascending
    held_out: tuple[Solved, ...]  # at these steps, on rules it never saw
    fitted: float  # share of training grids right at the end, on average over the seeds
    seconds: float  # of training steps, all seeds together

    @property
    def final(self) -> Solved:
        """After the last step."""
        return self.held_out[-1]

    @property
    def course(self) -> Solved:
        """On average over the evaluated steps."""
        return mean_over(self.held_out)

    def first_steps_above(self, share: float) -> list[int | None]:
        """Of each seed the first evaluated step at which it solved that share; None for never."""
        by_seed = zip(*(solved.shares for solved in self.held_out), strict=True)
        return [
            next((step for step, value in zip(self.steps, shares, strict=True) if value >= share), None)
            for shares in by_seed
        ]


@dataclass(frozen=True)
class MethodResult:
    """A variant under one method of thinking longer with one amount of compute."""

    letter: str
    method: Method
    decodes: int
    passes: float  # of one grid through the core, forwards, per test input
    solved: Solved
    seconds: float  # all seeds together


def read_variant(letter: str, title: str, label: str, seeds: Sequence[Training]) -> VariantResult:
    """What finished trainings left in their folders, one for each seed."""
    files = {each.config.seed: each.evaluations_under({}) for each in seeds}
    steps = [tuple(file.key.step for file in of_seed) for of_seed in files.values()]
    if len(set(steps)) != 1:
        raise ValueError(f"the seeds of {letter} were evaluated at different steps")
    return VariantResult(
        letter=letter,
        title=title,
        label=label,
        steps=steps[0],
        held_out=tuple(
            Solved({seed: _scores(of_seed[place]) for seed, of_seed in files.items()})
            for place in range(len(steps[0]))
        ),
        fitted=math.fsum(_fitted(each.folder) for each in seeds) / len(seeds),
        seconds=math.fsum(_training_seconds(each) for each in seeds),
    )


def read_method(letter: str, method: Method, decodes: int, seeds: Sequence[Training]) -> MethodResult:
    """What measurements left in the folders of the seeds; LookupError if one is missing."""
    files = {}
    for each in seeds:
        file = each.final(method.options(decodes))
        if file is None:
            raise LookupError(f"{each.folder} has no evaluation with {method.label} at {decodes} decodes")
        files[each.config.seed] = file
    return MethodResult(
        letter=letter,
        method=method,
        decodes=decodes,
        passes=math.fsum(map(_passes, files.values())) / len(files),
        solved=Solved({seed: _scores(file) for seed, file in files.items()}),
        seconds=math.fsum(file.seconds for file in files.values()),
    )


def scores_of(outcomes: Sequence[TestOutcome]) -> Scores:
    """Each task's share of test inputs solved at the first attempt."""
    return task_scores(ranks_by_task((each.task_id, each.truth_rank) for each in outcomes), 1)


def _scores(file: OutcomeFile) -> Scores:
    return scores_of(file.outcomes)


def _passes(file: OutcomeFile) -> float:
    """Grids through the core per test input: the answer's ACT steps, and demonstrations decoded before."""
    decodes = math.fsum(_decodes(outcome.trace) for outcome in file.outcomes)
    return file.key.act_steps + decodes / len(file.outcomes)


def _decodes(trace: OutcomeTrace | None) -> int:
    """Of an adaptation those of its task, which asks one test input here."""
    if trace is None:
        return 0
    return sum(each.decodes for each in (trace.search, trace.adaptation) if each)


def _points(folder: Path) -> list[dict[str, float]]:
    """The recorded points by step; a resumed training records some twice, the later counts."""
    lines = (folder / METRICS_FILE).read_text().splitlines()
    by_step = {point["step"]: point for point in map(json.loads, lines)}
    return [by_step[step] for step in sorted(by_step)]


def _fitted(folder: Path) -> float:
    return [point["accuracy/exact"] for point in _points(folder) if "accuracy/exact" in point][-1]


def _training_seconds(training: Training) -> float:
    """Of its steps, at its median speed: a training that was paused is not counted as slow."""
    settings = training.config.training
    speed = statistics.median(point["samples_per_second"] for point in _points(training.folder))
    return settings.steps * settings.batch_size / speed
