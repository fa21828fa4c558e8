"""Two evaluations measured alike, task by task: the score of each, and whether the difference is luck."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from backend.db.repositories import evaluations as rows
from backend.db.repositories import runs
from backend.db.tables import Evaluation
from backend.domain.errors import Conflict
from backend.domain.experiment.search import search_words
from backend.domain.statistics import Difference, mcnemar_exact, paired_bootstrap, pass_at, task_scores
from backend.kit.format import interval
from backend.services.measured import PassView
from backend.services.run_facts import passed

LEVEL = 0.05  # of McNemar's test
VERDICTS = {"a": "baseline is better", "b": "it is better", "undecided": "undecided"}  # a is the baseline
SHOWN = 3  # differing tasks that a refusal names


class SideView(BaseModel):
    """One of the two evaluations."""

    evaluation: int = Field(description="Id of the evaluation.")
    run_id: str
    run_name: str
    step: int
    score: PassView


class DifferenceView(BaseModel):
    """Mean difference of the task scores, a - b, by paired bootstrap."""

    mean: float
    low: float = Field(description="Of the 95 % interval.")
    high: float


class ComparisonView(BaseModel):
    """a and b, alike in everything they were measured on, at k attempts."""

    k: int
    set: str
    n: int = Field(description="Tasks that both were asked and whose truth is known.")
    weights: str
    views: int
    act_steps: int
    search: str = Field(description="The search's config as JSON; empty without one.")
    canvas: str = Field(description='"trimmed +N": to N cells around the visible grids; empty: square.')
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
    difference: DifferenceView
    verdict: Literal["a", "b", "undecided"] = Field(
        description="a or b where the bootstrap interval leaves zero out and McNemar's p is below 0.05, "
        "undecided otherwise."
    )
    words: str = Field(examples=["a solves more: 12/32 against 5/32, difference 22 % [6–37], p = 0.039."])

    @property
    def said(self) -> str:
        """The verdict in words, where a is the baseline."""
        return VERDICTS[self.verdict]


def unlike(a: Evaluation, b: Evaluation) -> list[str]:
    """Why two evaluations cannot be compared; empty if they can."""
    reasons = [
        f"evaluation {each.id} is not finished ({each.status})"
        for each in (a, b)
        if each.status != "finished"
    ]
    if a.set_name != b.set_name:
        return [*reasons, f"other sets ({a.set_name} and {b.set_name})"]
    if set(a.task_ids) != set(b.task_ids):
        reasons.append(_other_tasks(set(a.task_ids), set(b.task_ids)))
    reasons += [
        f"other {words} ({left} and {right})"
        for words, left, right in (
            ("views", a.views, b.views),
            ("weights", a.weights, b.weights),
            ("ACT steps", a.act_steps, b.act_steps),
            ("search", search_words(a.search) or "none", search_words(b.search) or "none"),
            ("canvases", a.canvas or "square", b.canvas or "square"),
        )
        if left != right
    ]
    return reasons


def compared(session: Session, first: Evaluation, second: Evaluation, k: int) -> ComparisonView:
    """Both at k attempts; Conflict where no task has a known truth in both."""
    ranks = rows.truth_ranks(session, first.id), rows.truth_ranks(session, second.id)
    if ranks[0].keys() != ranks[1].keys() or not ranks[0]:
        raise Conflict("No task has a known truth in both evaluations: there is nothing to compare.")
    scores_a, scores_b = (task_scores(each, k) for each in ranks)
    kinds: dict[str, list[str]] = {"only_a": [], "only_b": [], "both": [], "neither": [], "partly": []}
    for task_id in sorted(scores_a):
        kinds[_kind(scores_a[task_id], scores_b[task_id])].append(task_id)
    p_value = mcnemar_exact(len(kinds["only_a"]), len(kinds["only_b"]))
    difference = paired_bootstrap(scores_a, scores_b)
    sides = [
        _side(session, evaluation, passed(k, (score := pass_at(of_each, k)).solved, score.n))
        for evaluation, of_each in zip((first, second), ranks, strict=True)
    ]
    verdict = _verdict(difference, p_value)
    return ComparisonView(
        k=k,
        set=first.set_name,
        n=len(scores_a),
        weights=first.weights,
        views=first.views,
        act_steps=first.act_steps,
        search=first.search,
        canvas=first.canvas,
        a=sides[0],
        b=sides[1],
        **kinds,
        p_value=p_value,
        difference=DifferenceView(mean=difference.mean, low=difference.low, high=difference.high),
        verdict=verdict,
        words=_words(verdict, sides[0].score, sides[1].score, difference, p_value),
    )


def _kind(a: float, b: float) -> str:
    """How a task fell out; solved is solved with all its test inputs."""
    if a not in (0, 1) or b not in (0, 1):
        return "partly"
    return {(1, 0): "only_a", (0, 1): "only_b", (1, 1): "both"}.get((int(a), int(b)), "neither")


def _verdict(difference: Difference, p_value: float) -> Literal["a", "b", "undecided"]:
    if not difference.is_decided or p_value >= LEVEL:
        return "undecided"
    return "a" if difference.mean > 0 else "b"


def _words(verdict: str, a: PassView, b: PassView, difference: Difference, p_value: float) -> str:
    what = "undecided" if verdict == "undecided" else f"{verdict} solves more"
    return (
        f"{what}: {a.solved:g}/{a.n} against {b.solved:g}/{b.n}, difference "
        f"{difference.mean * 100:.0f} points {interval(difference.low, difference.high)}, p = {p_value:.2g}."
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


def _other_tasks(a: set[str], b: set[str]) -> str:
    examples = ", ".join(sorted(a ^ b)[:SHOWN])
    return f"other tasks ({len(a)} and {len(b)}, {len(a & b)} in common; only in one: {examples} …)"
