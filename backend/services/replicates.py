"""Variations on the same tasks, each over its seeds: what it solves, and whether a difference is luck."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from backend.db.repositories import evaluations as rows
from backend.domain.statistics import Mean, mean_of, task_scores
from backend.kit.format import counted, interval, percent
from backend.services.compare import Solved, TaskMatrix, Variation
from backend.services.measured import Way, newest_by
from backend.services.measured import common_way as common
from backend.services.paired import VERDICTS, DifferenceView
from backend.services.run_view import ResultView, RunView
from backend.services.seed_bootstrap import bootstrap


@dataclass(frozen=True)
class Replicates:
    """A variation with what its seeds solve: `scores` is run id -> task -> share of its test inputs."""

    variation: Variation
    results: Mapping[str, ResultView]  # run id -> its newest that was measured like the others
    scores: Mapping[str, Mapping[str, float]]

    @property
    def share(self) -> Mean | None:
        """Mean over the seeds of pass@k."""
        mean = mean_of([sum(each.values()) / len(each) for each in self.scores.values() if each])
        return mean and mean.within(0.0, 1.0)

    def solved_by(self, task: str) -> int:
        """How many seeds solve all of the task."""
        return sum(each.get(task) == 1 for each in self.scores.values())

    def mean(self, task: str) -> float | None:
        """Share of the task that is solved, on average over the seeds; None where none was asked it."""
        asked = [each[task] for each in self.scores.values() if task in each]
        return sum(asked) / len(asked) if asked else None


class ReplicatesView(BaseModel):
    """A variation's score over its seeds."""

    key: str = Field(description="Id of its first run.")
    label: str
    seeds: int = Field(description="Seeds that were measured like the others.")
    of: int = Field(description="Seeds there are.")
    steps: list[int] = Field(description="Steps of the checkpoints that were scored.")
    mean: float = Field(description="Of the seeds' pass@k.")
    low: float | None = Field(description="Of Student's 95 % interval over seeds; null with one seed.")
    high: float | None


class VariationPairView(BaseModel):
    """Two variations on the same tasks, over their seeds."""

    a: ReplicatesView
    b: ReplicatesView
    difference: DifferenceView = Field(
        description="Mean pass@k of a - that of b; interval by bootstrap over tasks and over seeds."
    )
    n: int = Field(description="Tasks that every seed of both was asked.")
    more_a: list[str] = Field(description="Tasks that a solves with a larger share of its seeds.")
    more_b: list[str]
    verdict: Literal["a", "b", "undecided"] = Field(description="Who is better, where 0 is not inside.")

    @property
    def said(self) -> str:
        """The verdict in words, where a is the baseline."""
        return VERDICTS[self.verdict]


class VariationPair(BaseModel):
    """A variation beside the baseline, or why there is no comparison."""

    key: str = Field(description="Id of its first run.")
    label: str
    view: VariationPairView | None
    reason: str = Field("", description="Why there is no comparison; else empty.")

    @property
    def words(self) -> str:
        """`it is better: 41.9 % against 13.1 %, difference 29 points [12 to 45], 5 and 5 seeds`."""
        v = self.view
        if v is None:
            return f"not compared: {self.reason}"
        between = interval(-v.difference.high, -v.difference.low)
        return (
            f"{v.said}: {percent(v.b.mean)} against {percent(v.a.mean)}, difference "
            f"{-100 * v.difference.mean:.0f} points {between}, {v.b.seeds} and {counted(v.a.seeds, 'seed')}"
        )


def replicates(session: Session, found: Sequence[Variation], k: int) -> list[Replicates]:
    """Each variation by the way of measuring that most of all runs share; a run without it is left out."""
    way = common_way([run for variation in found for run in variation.runs])
    return [_replicates(session, variation, way, k) for variation in found]


def common_way(found: Sequence[RunView]) -> Way | None:
    """What most runs were measured on, held out; of several the one measured last. None without any."""
    return common([_held_out(run) for run in found])


def results_of(variation: Variation, way: Way | None) -> dict[str, ResultView]:
    """Run id -> its newest held-out result measured so, of those that have one."""
    found = {run.id: newest_by(way, _held_out(run)) for run in variation.runs}
    return {run_id: result for run_id, result in found.items() if result}


def _held_out(run: RunView) -> list[ResultView]:
    return [each for each in run.results if each.status == "finished" and each.held_out]


def _replicates(session: Session, variation: Variation, way: Way | None, k: int) -> Replicates:
    results = results_of(variation, way)
    scores = {
        run_id: task_scores(rows.truth_ranks(session, result.id), k) for run_id, result in results.items()
    }
    return Replicates(variation, results, {run_id: each for run_id, each in scores.items() if each})


def matrix(found: Sequence[Replicates], k: int) -> TaskMatrix:
    """Task by task the share of it that each variation solves on average; most solved first."""
    tasks = sorted({task for each in found for scores in each.scores.values() for task in scores})
    made = [Solved(task, {each.variation.key: each.mean(task) for each in found}) for task in tasks]
    made.sort(key=lambda row: (-sum(score or 0.0 for score in row.scores.values()), row.task_id))
    results = {each.variation.key: result for each in found for result in list(each.results.values())[:1]}
    return TaskMatrix(k, results, made)


def pairs(found: Sequence[Replicates], base: str) -> list[VariationPair]:
    """Every other variation beside the one called `base`, on the same tasks."""
    by_key = {each.variation.key: each for each in found}
    first = by_key[base]
    others = [each for each in found if each.variation.key != base]
    return [_pair(first, each) for each in others]


def _pair(a: Replicates, b: Replicates) -> VariationPair:
    key, label = b.variation.key, b.variation.label
    without = next((each for each in (a, b) if not each.scores), None)
    if without:
        reason = f"No run of {without.variation.label} was evaluated like most of the others."
        return VariationPair(key=key, label=label, view=None, reason=reason)
    tasks = sorted(set.intersection(*(set(each) for side in (a, b) for each in side.scores.values())))
    if not tasks:
        reason = "No task with a known truth was asked of both."
        return VariationPair(key=key, label=label, view=None, reason=reason)
    difference = bootstrap(_table(a, tasks), _table(b, tasks))
    shares = {task: (a.mean(task) or 0.0, b.mean(task) or 0.0) for task in tasks}
    view = VariationPairView(
        a=_view(a),
        b=_view(b),
        difference=DifferenceView(mean=difference.mean, low=difference.low, high=difference.high),
        n=len(tasks),
        more_a=[task for task, (mine, other) in shares.items() if mine > other],
        more_b=[task for task, (mine, other) in shares.items() if other > mine],
        verdict=("a" if difference.mean > 0 else "b") if difference.is_decided else "undecided",
    )
    return VariationPair(key=key, label=label, view=view)


def _table(side: Replicates, tasks: Sequence[str]) -> NDArray[np.float64]:
    """(seeds, tasks) scores."""
    return np.array([[scores[task] for task in tasks] for scores in side.scores.values()])


def _view(side: Replicates) -> ReplicatesView:
    share = side.share
    assert share
    return ReplicatesView(
        key=side.variation.key,
        label=side.variation.label,
        seeds=len(side.scores),
        of=len(side.variation.runs),
        steps=sorted({result.step for result in side.results.values()}),
        mean=share.mean,
        low=share.low,
        high=share.high,
    )
