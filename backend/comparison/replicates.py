"""Variations on the same tasks, each over its seeds: what it solves, which differences are significant."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pydantic import Field
from sqlalchemy.orm import Session

from backend.comparison.service import Solved, TaskMatrix, Variation
from backend.domain.crossed import CrossedDifference, Table, unpaired_difference
from backend.domain.intervals import DIFFERENCE
from backend.domain.measurement import Protocol
from backend.domain.statistics import Difference, Mean, holm, mean_of_shares, task_scores
from backend.kit.format import counted, interval, percent
from backend.kit.model import Model
from backend.run_view.views import ResultView, RunView
from backend.scores import queries as rows
from backend.scores.measured import common_protocol as common
from backend.scores.measured import newest_by, why_left_out
from backend.scores.paired import TIED, VERDICTS, DifferenceView, decided, p_words


@dataclass(frozen=True)
class Replicates:
    """A variation with what its seeds solve: `scores` is run id -> task -> share of its test inputs."""

    variation: Variation
    results: Mapping[str, ResultView]  # run id -> its newest by the protocol that most runs share
    scores: Mapping[str, Mapping[str, float]]
    left_out: str = ""  # which evaluated runs lack that protocol, and how theirs differ
    other_tasks: bool = False  # all of them do, and the results are of other tasks with the same settings

    @property
    def tasks(self) -> frozenset[str]:
        """Tasks that every seed evaluated."""
        return frozenset.intersection(*map(frozenset, self.scores.values())) if self.scores else frozenset()

    def share(self, tasks: Collection[str]) -> Mean | None:
        """Mean over the seeds of pass@k on these of the tasks."""
        shares = [math.fsum(scores[task] for task in tasks) / len(tasks) for scores in self.scores.values()]
        return mean_of_shares(shares, len(tasks))

    def solved_by(self, task: str) -> int:
        """How many seeds solve all of the task."""
        return sum(each.get(task) == 1 for each in self.scores.values())

    def mean(self, task: str) -> float | None:
        """Share of the task that is solved, on average over the seeds; None where none was asked it."""
        asked = [each[task] for each in self.scores.values() if task in each]
        return sum(asked) / len(asked) if asked else None


class ReplicatesView(Model):
    """A variation's score over its seeds."""

    key: str = Field(description="Id of its first run.")
    label: str
    seeds: int = Field(description="Seeds measured by the same protocol as the others.")
    of: int = Field(description="Number of seeds.")
    steps: list[int] = Field(description="Steps of the checkpoints that were scored.")
    mean: float = Field(description="Of the seeds' pass@k.")
    low: float | None = Field(description="Of the 95 % interval over seeds; null with one seed.")
    high: float | None
    left_out: str = Field(
        "",
        description="What does not count: seeds evaluated by another protocol, and how it differs; a seed "
        "that was run again.",
        examples=["1 of 2 runs not comparable: different tasks (8 and 8)"],
    )


class VariationPairView(Model):
    """Two variations on the same tasks, over their seeds."""

    a: ReplicatesView
    b: ReplicatesView
    difference: DifferenceView = Field(
        description="Mean pass@k of a - that of b; interval over tasks and over seeds."
    )
    n: int = Field(description="Tasks that every seed of both evaluated.")
    more_a: list[str] = Field(description="Tasks that a solves with a larger share of its seeds.")
    more_b: list[str]
    p_value: float = Field(description="Two-sided, that there is no difference.")
    p_adjusted: float = Field(
        description="The same after Holm's correction for the comparisons made together; the verdict uses it."
    )
    comparisons: int = Field(1, description="How many were made together.")
    verdict: Literal["a", "b", "undecided"] = Field(
        description="The better one, if the interval excludes 0 and the adjusted p is below 0.05."
    )
    note: str = Field("", description="Which tasks count where not all evaluated the same; else empty.")

    @property
    def said(self) -> str:
        """The verdict in words, where a is the baseline."""
        is_tied = not (self.more_a or self.more_b)
        return f"{VERDICTS[self.verdict]}: {TIED}" if is_tied else VERDICTS[self.verdict]


class VariationPair(Model):
    """A variation beside the baseline, or why there is no comparison."""

    key: str = Field(description="Id of its first run.")
    label: str
    view: VariationPairView | None
    reason: str = Field("", description="Why there is no comparison; else empty.")

    @property
    def words(self) -> str:
        """`better: 41.9 % against 13.1 %, difference 29 points [12 to 45], 5 and 5 seeds`."""
        v = self.view
        if v is None:
            return f"not comparable: {self.reason}"
        between = interval(-v.difference.high, -v.difference.low)
        return (
            f"{v.said}: {percent(v.b.mean)} against {percent(v.a.mean)}, difference "
            f"{-100 * v.difference.mean:.0f} points {between}, {v.b.seeds} and {counted(v.a.seeds, 'seed')}, "
            + p_words(v.p_value, v.p_adjusted, v.comparisons)
            + "".join(f"; {side.label}: {side.left_out}" for side in (v.a, v.b) if side.left_out)
            + (f". {v.note}" if v.note else "")
        )


def replicates(session: Session, found: Sequence[Variation], k: int) -> list[Replicates]:
    """Every variation with the tasks that its seeds solve in k attempts.

    Each seed counts by its newest held-out evaluation of the protocol that most runs of all variations share.
    """
    protocol = common_protocol([run for variation in found for run in variation.runs])
    return [_replicates(session, variation, protocol, k) for variation in found]


def common_protocol(found: Sequence[RunView]) -> Protocol | None:
    """The protocol of most runs' held-out results, of several that of their headlines. None without any."""
    return common([_held_out(run) for run in found], [run.held_out for run in found])


def results_of(variation: Variation, protocol: Protocol | None) -> dict[str, ResultView]:
    """Run id -> its newest held-out result by the protocol, of those that have one."""
    found = {run.id: newest_by(protocol, _held_out(run)) for run in variation.runs}
    return {run_id: result for run_id, result in found.items() if result}


def left_out(found: Sequence[RunView], protocol: Protocol | None) -> str:
    """Which evaluated runs have no held-out result by the protocol, and how theirs differ; else empty."""
    return why_left_out(protocol, [_held_out(run) for run in found])


def _held_out(run: RunView) -> list[ResultView]:
    return [result for result in run.results if result.status == "finished" and result.maybe_held_out]


def _replicates(session: Session, variation: Variation, protocol: Protocol | None, k: int) -> Replicates:
    results = results_of(variation, protocol)
    other_tasks = not results
    if protocol and other_tasks:
        found = {run.id: _on_other_tasks(run, protocol) for run in variation.runs}
        results = {run_id: result for run_id, result in found.items() if result}
    scores = {
        run_id: task_scores(rows.truth_ranks(session, result.id), k) for run_id, result in results.items()
    }
    known = {run_id: each for run_id, each in scores.items() if each}
    return Replicates(variation, results, known, left_out(variation.runs, protocol), other_tasks)


def _on_other_tasks(run: RunView, protocol: Protocol) -> ResultView | None:
    """The run's newest held-out result on the same set with the same settings, whatever the tasks."""
    found = [each for each in _held_out(run) if each.protocol.on(()) == protocol.on(())]
    return max(found, key=lambda each: (each.step, each.id), default=None)


def matrix(found: Sequence[Replicates], k: int) -> TaskMatrix:
    """Task by task the share of it that each variation solves on average; most solved first."""
    tasks = sorted({task for each in found for scores in each.scores.values() for task in scores})
    made = [Solved(task, {each.variation.key: each.mean(task) for each in found}) for task in tasks]
    made.sort(key=lambda row: (-sum(score or 0.0 for score in row.scores.values()), row.task_id))
    results = {each.variation.key: result for each in found for result in list(each.results.values())[:1]}
    notes = {each.variation.key: each.left_out for each in found if each.left_out and not each.other_tasks}
    return TaskMatrix(k, results, made, notes)


def pairs(found: Sequence[Replicates], base: str) -> list[VariationPair]:
    """Every other variation beside the one called `base`, on the same tasks.

    Those that can be compared are judged together: their p-values are adjusted for how many they are.
    """
    by_key = {each.variation.key: each for each in found}
    first = by_key[base]
    others = [each for each in found if each.variation.key != base]
    made = [_pair(first, each) for each in others]
    adjusted = iter(_together([pair.view for pair in made if pair.view]))
    return [pair.model_copy(update={"view": next(adjusted)}) if pair.view else pair for pair in made]


def _together(views: Sequence[VariationPairView]) -> list[VariationPairView]:
    """The comparisons with their p-values and verdicts as those of one family."""
    judged = []
    for view, p in zip(views, holm([view.p_value for view in views]), strict=True):
        difference = Difference(view.difference.mean, view.difference.low, view.difference.high)
        changes = {"p_adjusted": p, "comparisons": len(views), "verdict": decided(difference, p)}
        judged.append(view.model_copy(update=changes))
    return judged


def _pair(a: Replicates, b: Replicates) -> VariationPair:
    key, label = b.variation.key, b.variation.label
    without = next((each for each in (a, b) if not each.scores), None)
    if without:
        others = without.left_out or "it has no finished evaluation on a held-out set"
        reason = f"{without.variation.label}: {others}."
        return VariationPair(key=key, label=label, view=None, reason=reason)
    tasks = sorted(a.tasks & b.tasks)
    if not tasks:
        differing = a.left_out if a.other_tasks else b.left_out
        reason = f"No task has a known truth in both. {differing}".rstrip(" .") + "."
        return VariationPair(key=key, label=label, view=None, reason=reason)
    difference = difference_of(_table(a, tasks), _table(b, tasks))
    shares = {task: (a.mean(task) or 0.0, b.mean(task) or 0.0) for task in tasks}
    view = VariationPairView(
        a=_view(a, tasks),
        b=_view(b, tasks),
        difference=DifferenceView(mean=difference.mean, low=difference.low, high=difference.high),
        n=len(tasks),
        more_a=[task for task, (mine, other) in shares.items() if mine > other],
        more_b=[task for task, (mine, other) in shares.items() if other > mine],
        p_value=difference.p_value,
        p_adjusted=difference.p_value,
        verdict=decided(difference, difference.p_value),
        note=_note(a, b, len(tasks)),
    )
    return VariationPair(key=key, label=label, view=view)


def _table(side: Replicates, tasks: Sequence[str]) -> Table:
    """(seeds, tasks) scores."""
    return [[scores[task] for task in tasks] for scores in side.scores.values()]


def difference_of(a: Table, b: Table) -> CrossedDifference:
    """Over seeds and tasks. One task says nothing of others; and as without a difference each task is as
    likely to speak for either side, no p-value is below the chance that all of them speak for one."""
    n = len(a[0])
    if n == 1:
        of_a, of_b = (math.fsum(row[0] for row in side) / len(side) for side in (a, b))
        return CrossedDifference(of_a - of_b, *DIFFERENCE, 1.0)
    found = unpaired_difference(a, b)
    return replace(found, p_value=max(found.p_value, min(1.0, 2.0 ** (1 - n))))


def _note(a: Replicates, b: Replicates, n: int) -> str:
    if len(a.tasks) == len(b.tasks) == n:
        return ""
    return f"On the {counted(n, 'task')} that all seeds evaluated, of {len(a.tasks):,} and {len(b.tasks):,}."


def _view(side: Replicates, tasks: Sequence[str]) -> ReplicatesView:
    share = side.share(tasks)
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
        left_out="; ".join(filter(None, ("" if side.other_tasks else side.left_out, side.variation.repeats))),
    )
