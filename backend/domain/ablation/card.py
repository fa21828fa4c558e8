"""The card of an ablation: everything another lab needs to compute it again, with a digest over it all.

Ranks of the truth by task are the data; every other number is derived from them, so a card that was
changed contradicts itself, and one that was made up contradicts whoever computes it again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from backend.domain.arc.task import Task
from backend.domain.statistics import Ranks, holm, mcnemar_exact, paired_bootstrap, pass_at, task_scores
from backend.kit.model import Model

FORMAT = "ETRM Lab ablation card"
VERSION = 1
ATTEMPTS = (1, 2)  # the k of pass@k; all tests are of the first
LEVEL = 0.05  # of all tests of a card together
DIGITS = 9  # of a derived number: beyond them machines may differ
Scores = tuple[tuple[str, float], ...]  # task -> its score
_STRICT = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

Sha256 = str


class RowCost(Model):
    """What a row took. Seconds are the machine's; forward passes are the model's."""

    model_config = _STRICT

    seconds: float = Field(description="Of computing, summed over workers.")
    forward_passes: int | None = Field(
        description="Grids that went once through the core: views by ACT steps, and the demonstrations that "
        "a search or test-time training decoded; null where a training scored it."
    )
    devices: list[str]
    code: dict[str, str] = Field(description="version, source (SHA-256 of the lab's files) and torch.")


class Against(Model):
    """A row held against the right context, on the tasks that both answered."""

    model_config = _STRICT

    n: int = Field(description="Tasks that both answered.")
    only_baseline: int = Field(description="Of them, those that the right context alone solves.")
    only_this: int
    difference: float = Field(description="This minus right context, mean of the task scores.")
    low: float = Field(description="Of its 95 % interval, by paired bootstrap over tasks.")
    high: float
    p_value: float = Field(description="McNemar's exact test, two-sided.")
    p_adjusted: float = Field(description="After Holm's correction for all rows of the card.")
    verdict: Literal["worse", "better", "undecided"] = Field(
        description="Decided where the interval leaves zero out and the adjusted p is below 0.05."
    )


class CardRow(Model):
    """One evaluation of the checkpoint."""

    model_config = _STRICT

    name: str
    part: str
    about: str
    protocol: dict[str, Any] = Field(description="How it was measured, all of it.")
    ranks: dict[str, Annotated[list[int | None], Field(min_length=1)]] = Field(
        description="Task -> of each test input the rank of the truth among the candidates; null: no vote."
    )
    passes: dict[str, tuple[float, int]] = Field(description="k -> solved, of tasks.")
    low: float = Field(description="Of the 95 % Wilson interval of pass@1.")
    high: float
    against: Against | None = Field(description="null for the right context itself.")
    cost: RowCost


class LeakFacts(Model):
    """How the tasks stand to what the run was trained on."""

    model_config = _STRICT

    words: str
    trained_on: int | None = Field(description="Of the tasks; null: not recorded.")
    demonstrations_trained_on: int
    given_away: int
    unknown: int


class LeftOut(Model):
    """A row that this checkpoint cannot have."""

    model_config = _STRICT

    name: str
    why: str


class CardCheckpoint(Model):
    """Which weights."""

    model_config = _STRICT

    run: str
    run_name: str
    step: int
    manifest: Sha256 = Field(description="Of the checkpoint's manifest.")
    weights: dict[str, Sha256] = Field(description="ema and raw -> SHA-256 of the file.")


class Card(Model):
    """An ablation, finished."""

    model_config = _STRICT

    format: Literal["ETRM Lab ablation card"] = "ETRM Lab ablation card"
    version: Literal[1] = 1
    lab: str = Field(description="Version of the lab that wrote it.")
    made_at: float = Field(description="When the last of its evaluations ended.")
    checkpoint: CardCheckpoint
    config: dict[str, Any] = Field(description="Of the run, without its name.")
    asked: dict[str, Any]
    set: str
    tasks: dict[str, Sha256] = Field(description="Task -> SHA-256 of its grids.")
    leaks: LeakFacts
    rows: list[CardRow] = Field(min_length=1, description="The right context first.")
    left_out: list[LeftOut]
    digest: Sha256 = Field("", description="SHA-256 of all the rest as canonical JSON.")


class Derived(Model):
    """What follows from the ranks of a row, and of the baseline."""

    model_config = _STRICT

    passes: dict[str, tuple[float, int]]
    low: float
    high: float
    against: Against | None


def derived(all_ranks: Sequence[Ranks]) -> list[Derived]:
    """Of each row, the baseline first: scores, intervals and tests, corrected for all rows together."""
    baseline, *others = all_ranks
    tests = [_against(baseline, ranks) for ranks in others]
    adjusted = iter(holm([test.p_value for test in tests if test]))
    judged = [None if test is None else _judged(test, next(adjusted)) for test in tests]
    return [
        _scored(ranks, against) for ranks, against in zip((baseline, *others), (None, *judged), strict=True)
    ]


def sealed(card: Card) -> Card:
    """The card with its digest."""
    return card.model_copy(update={"digest": digest_of(card)})


def digest_of(card: Card) -> Sha256:
    """SHA-256 of a card as canonical JSON, without the digest that it has."""
    content = card.model_dump(mode="json", exclude={"digest"})
    return hashlib.sha256(canonical(content).encode()).hexdigest()


def canonical(content: Any) -> str:
    """JSON in one form: keys in order, no spaces, whole numbers without a point."""
    return json.dumps(
        _plain(content), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def task_digest(task: Task) -> Sha256:
    """SHA-256 of all grids of a task, the truth included where it is known."""
    pairs = [f"{pair.input.digits}>{pair.output.digits}" for pair in task.demonstrations]
    pairs += [f"{test.input.digits}?{test.output.digits if test.output else ''}" for test in task.tests]
    return hashlib.sha256("\n".join(pairs).encode()).hexdigest()


def _scored(ranks: Ranks, against: Against | None) -> Derived:
    scores = {k: pass_at(ranks, k) for k in ATTEMPTS}
    low, high = scores[1].interval
    return Derived(
        passes={str(k): (round(score.solved, DIGITS), score.n) for k, score in scores.items()},
        low=round(low, DIGITS),
        high=round(high, DIGITS),
        against=against,
    )


def _against(baseline: Ranks, ranks: Ranks) -> Against | None:
    """None where no task was answered by both."""
    common = sorted(baseline.keys() & ranks.keys())
    if not common:
        return None
    return _tested(*(tuple(_at_first(of_each, common).items()) for of_each in (baseline, ranks)))


@lru_cache(maxsize=1024)  # a page that is open asks again and again
def _tested(of_right: Scores, of_this: Scores) -> Against:
    right, this = dict(of_right), dict(of_this)
    common = list(right)
    only_right = sum(right[task] == 1 and this[task] == 0 for task in common)
    only_this = sum(right[task] == 0 and this[task] == 1 for task in common)
    difference = paired_bootstrap(this, right)
    return Against(
        n=len(common),
        only_baseline=only_right,
        only_this=only_this,
        difference=round(difference.mean, DIGITS),
        low=round(difference.low, DIGITS),
        high=round(difference.high, DIGITS),
        p_value=round(mcnemar_exact(only_right, only_this), DIGITS),
        p_adjusted=1.0,
        verdict="undecided",
    )


def _at_first(ranks: Ranks, tasks: Sequence[str]) -> dict[str, float]:
    return task_scores({task: ranks[task] for task in tasks}, 1)


def _judged(test: Against, p_adjusted: float) -> Against:
    decided = p_adjusted < LEVEL and (test.low > 0 or test.high < 0)
    verdict = "undecided" if not decided else "better" if test.difference > 0 else "worse"
    return test.model_copy(update={"p_adjusted": round(p_adjusted, DIGITS), "verdict": verdict})


def _plain(content: Any) -> Any:
    if isinstance(content, Mapping):
        return {str(key): _plain(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_plain(part) for part in content]
    if isinstance(content, float) and content.is_integer():
        return int(content)
    return content
