"""Two evaluations task by task: the score of each, and whether the difference is significant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field
from sqlalchemy.orm import Session

from backend.domain.measurement import paired_differences, protocol_of, scored_tasks
from backend.domain.statistics import (
    Difference,
    holm,
    mcnemar_exact,
    paired_bootstrap,
    pass_at,
    task_scores,
)
from backend.kit.errors import Conflict
from backend.kit.format import counted, interval
from backend.kit.model import Model
from backend.runs import queries as runs
from backend.scores import queries as rows
from backend.scores.measured import PassView, ProtocolView, passed, view_fields
from backend.scores.tables import Evaluation

LEVEL = 0.05  # of every test, for all the comparisons that are made together
VERDICTS = {"a": "baseline is better", "b": "better", "undecided": "undecided"}  # a is the baseline
TIED = "no task tells them apart"


class SideView(Model):
    """One of the two evaluations."""

    evaluation: int = Field(description="Id of the evaluation.")
    run_id: str
    run_name: str
    step: int
    score: PassView


class DifferenceView(Model):
    """Mean difference of the task scores, a - b, by paired bootstrap."""

    mean: float
    low: float = Field(
        description="Of the 95 % interval; where no task tells them apart, what that many tasks leave open."
    )
    high: float


class ComparisonView(ProtocolView):
    """a and b at k attempts, measured by the same protocol on the tasks that both evaluated."""

    k: int
    n: int = Field(description="Tasks that both evaluated and whose truth is known.")
    note: str = Field(
        "",
        description="Which tasks count where the two did not evaluate the same ones; else empty.",
        examples=["On the 5 tasks that both evaluated, of 12 and 5."],
    )
    a: SideView
    b: SideView
    only_a: list[str] = Field(description="Tasks that a alone solves, with all their test inputs.")
    only_b: list[str]
    both: list[str]
    neither: list[str]
    partly: list[str] = Field(
        description="Tasks that at least one solves in part: no part of McNemar's test."
    )
    p_value: float = Field(description="McNemar's exact test of only_a against only_b, two-sided.")
    p_adjusted: float = Field(
        description="The same after Holm's correction for the comparisons made together; the verdict uses it."
    )
    comparisons: int = Field(1, description="How many were made together.")
    difference: DifferenceView
    verdict: Literal["a", "b", "undecided"] = Field(
        description="a or b where the bootstrap interval leaves zero out and the adjusted p is below 0.05, "
        "undecided otherwise."
    )
    words: str = Field(examples=["a solves more: 12/32 against 5/32, difference 22 % [6–37], p = 0.039."])

    @property
    def is_tied(self) -> bool:
        """Whether no task tells them apart."""
        return not (self.only_a or self.only_b or self.partly)

    @property
    def said(self) -> str:
        """The verdict in words, where a is the baseline."""
        return f"{VERDICTS[self.verdict]}: {TIED}" if self.is_tied else VERDICTS[self.verdict]


def obstacles(a: Evaluation, b: Evaluation) -> list[str]:
    """Why two evaluations cannot be compared; empty if they can, on the tasks that both evaluated."""
    reasons = [
        f"evaluation {evaluation.id} is not finished ({evaluation.status})"
        for evaluation in (a, b)
        if evaluation.status != "finished"
    ]
    return reasons + paired_differences(protocol_of(a), scored_tasks(a), protocol_of(b), scored_tasks(b))


def compared(session: Session, first: Evaluation, second: Evaluation, k: int) -> ComparisonView:
    """Both at k attempts on the tasks that both evaluated, for two without `obstacles`.

    Conflict where no task has a known truth in both.
    """
    all_ranks = rows.truth_ranks(session, first.id), rows.truth_ranks(session, second.id)
    common = sorted(all_ranks[0].keys() & all_ranks[1].keys())
    if not common:
        raise Conflict("No task has a known truth in both evaluations: there is nothing to compare.")
    ranks = [{task_id: of_each[task_id] for task_id in common} for of_each in all_ranks]
    scores_a, scores_b = (task_scores(of_each, k) for of_each in ranks)
    kinds: dict[str, list[str]] = {"only_a": [], "only_b": [], "both": [], "neither": [], "partly": []}
    for task_id in common:
        kinds[kind_of(scores_a[task_id], scores_b[task_id])].append(task_id)
    p_value = mcnemar_exact(len(kinds["only_a"]), len(kinds["only_b"]))
    difference = paired_bootstrap(scores_a, scores_b)
    sides = [
        _side(session, evaluation, passed(k, (score := pass_at(of_each, k)).solved, score.n))
        for evaluation, of_each in zip((first, second), ranks, strict=True)
    ]
    view = ComparisonView(
        **view_fields(protocol_of(first).on(common)),
        k=k,
        note=_note(first, second, len(common)),
        a=sides[0],
        b=sides[1],
        **kinds,
        p_value=p_value,
        p_adjusted=p_value,
        difference=DifferenceView(mean=difference.mean, low=difference.low, high=difference.high),
        verdict="undecided",
        words="",
    )
    return judged(view, p_value, 1)


def together(views: Sequence[ComparisonView]) -> list[ComparisonView]:
    """Comparisons that are made and read together, each judged by its p-value after Holm's correction."""
    adjusted = holm([view.p_value for view in views])
    return [judged(view, p, len(views)) for view, p in zip(views, adjusted, strict=True)]


def judged(view: ComparisonView, p_adjusted: float, comparisons: int) -> ComparisonView:
    """The comparison as one of several, with its verdict by the adjusted p-value."""
    difference = Difference(view.difference.mean, view.difference.low, view.difference.high)
    verdict = decided(difference, p_adjusted)
    changes = {"p_adjusted": p_adjusted, "comparisons": comparisons, "verdict": verdict}
    found = view.model_copy(update=changes)
    return found.model_copy(update={"words": f"{_words(found)} {found.note}".rstrip()})


def p_words(p_value: float, p_adjusted: float, comparisons: int) -> str:
    """`p = 0.039`, and of several comparisons `p = 0.013, 0.039 adjusted for 3 comparisons`."""
    alone = f"p = {p_value:.2g}"
    return alone if comparisons == 1 else f"{alone}, {p_adjusted:.2g} adjusted for {comparisons} comparisons"


def _note(a: Evaluation, b: Evaluation, n: int) -> str:
    if a.tasks_digest == b.tasks_digest:
        return ""
    return f"On the {counted(n, 'task')} that both evaluated, of {len(a.task_ids):,} and {len(b.task_ids):,}."


def kind_of(a: float, b: float) -> str:
    """How a task fell out; solved is solved with all its test inputs."""
    if a not in (0, 1) or b not in (0, 1):
        return "partly"
    return {(1, 0): "only_a", (0, 1): "only_b", (1, 1): "both"}.get((int(a), int(b)), "neither")


def decided(difference: Difference, p_adjusted: float) -> Literal["a", "b", "undecided"]:
    """Which one is better: only where the interval and the adjusted p-value agree that one is."""
    if not difference.is_decided or p_adjusted >= LEVEL:
        return "undecided"
    return "a" if difference.mean > 0 else "b"


def _words(view: ComparisonView) -> str:
    what = f"{view.verdict} solves more" if view.verdict != "undecided" else "undecided"
    if view.is_tied:
        what = f"{what}, {TIED}"
    a, b, difference = view.a.score, view.b.score, view.difference
    p = p_words(view.p_value, view.p_adjusted, view.comparisons)
    return (
        f"{what}: {a.solved:g}/{a.n} against {b.solved:g}/{b.n}, difference "
        f"{difference.mean * 100:.0f} points {interval(difference.low, difference.high)}, {p}."
    )


def _side(session: Session, evaluation: Evaluation, score: PassView) -> SideView:
    run = runs.get(session, evaluation.run_id)
    return SideView(
        evaluation=evaluation.id,
        run_id=evaluation.run_id,
        run_name=run.name if run else evaluation.run_id,
        step=evaluation.step,
        score=score,
    )
