"""Which checkpoints of a run stay: the newest, the best by a measure, and whatever something needs. Pure.

Nothing else decides it: a training that makes room, a clean-up of the storage, the page that says why a
checkpoint is there. A run whose score fell still has the checkpoint from before it fell.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from backend.domain import metrics
from backend.domain.hypothesis.measure import Term, parse

Direction = Literal["auto", "higher", "lower"]
BEST = "best"  # the alias that moves by itself
NAME = re.compile(r"[a-z][a-z0-9._-]{0,39}")  # of an alias: no number, so that a step is never meant
REF = r"^([0-9]{1,18}|[a-z][a-z0-9._-]{0,39})$"  # a step, or an alias


@dataclass(frozen=True)
class Goal:
    """What the best checkpoint is best at: pass@k of a set, or a recorded series."""

    term: Term
    higher: bool  # whether more is better

    def __str__(self) -> str:
        return str(self.term)

    def said(self, score: float) -> str:
        """`8.0 %`, or a number."""
        share = self.term.k or metrics.metric(self.term.series).unit == "share"
        return f"{100 * score:.1f} %" if share else f"{score:.4g}"


@dataclass(frozen=True)
class Policy:
    """How many a run keeps, and of what: its config's."""

    newest: int
    best: int
    goal: Goal


@dataclass(frozen=True)
class Verdict:
    """What becomes of one checkpoint: it stays for these reasons, and goes without any."""

    step: int
    reasons: tuple[str, ...]
    score: float | None = None
    is_best: bool = False

    @property
    def stays(self) -> bool:
        return bool(self.reasons)


def goal_of(measure: str, direction: Direction = "auto") -> Goal:
    """The goal that a text and a direction name; ValueError says what is wrong with them."""
    parsed = parse(measure)
    term = parsed.first
    if parsed.second or term.summary != "last":
        raise ValueError("must be one measure at one step: pass@1, pass@1 on SET, or a recorded series")
    if term.k:
        return Goal(term, direction != "lower")
    if term.series not in metrics.OF_TRAINING:
        raise ValueError(f"names no recorded series {term.series!r}: {metrics.suggestion(term.series)}")
    better = metrics.metric(term.series).better if direction == "auto" else direction
    if not better:
        raise ValueError(f"{term.series} is good in neither direction: say higher or lower")
    return Goal(term, better == "higher")


def decide(
    steps: Collection[int],
    policy: Policy,
    scores: Mapping[int, float],
    uses: Mapping[int, Sequence[str]],
) -> list[Verdict]:
    """A verdict on the checkpoint of every step, newest first.

    `scores` are those measured by the policy's goal; a score that is not finite is none. Of equal scores the
    newer one is the better. `uses` are what else needs a checkpoint, in words.
    """
    newest = sorted(steps, reverse=True)
    ranked = ranking(steps, policy.goal, scores)
    first = {step: _among("newest", policy.newest) for step in newest[: policy.newest]}
    best = {
        step: f"{_among('best', policy.best)} by {policy.goal}: {policy.goal.said(scores[step])}"
        for step in ranked[: policy.best]
    }
    return [
        Verdict(
            step,
            tuple(reason for found in (first, best) if (reason := found.get(step)))
            + tuple(uses.get(step, ())),
            scores[step] if step in ranked else None,
            step == next(iter(ranked), None),
        )
        for step in newest
    ]


def ranking(steps: Collection[int], goal: Goal, scores: Mapping[int, float]) -> list[int]:
    """The steps that have a score, the best first."""
    scored = [step for step in steps if math.isfinite(scores.get(step, math.nan))]
    sign = 1 if goal.higher else -1
    return sorted(scored, key=lambda step: (sign * scores[step], step), reverse=True)


def _among(what: str, count: int) -> str:
    return what if count == 1 else f"one of the {count} {what}"
