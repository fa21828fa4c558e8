"""The verdict on a hypothesis, from what its run left behind. Pure: the same findings, the same verdict.

A score is held against its bar with its whole interval: supported or refuted where all of it is on one side,
undecided where the bar lies inside. A recorded series has no interval; its value decides.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pydantic import ConfigDict, Field

from backend.domain.experiment import BarHypothesis, Hypothesis
from backend.domain.hypothesis.intervals import interval_of
from backend.domain.hypothesis.measure import Comparison, Measure, Term, holds, parse
from backend.domain.hypothesis.words import bar_words, number
from backend.domain.records import Ruling, Score
from backend.domain.statistics import Difference
from backend.kit.model import Model

Verdict = Literal["supported", "refuted", "undecided"]
VERDICTS: tuple[str, ...] = ("open", "supported", "refuted", "undecided")  # open: the run is not over


class Evidence(Model):
    """One number that a verdict rests on, with everything it must not be shown without."""

    model_config = ConfigDict(frozen=True)

    measure: str = Field(examples=["pass@1 on arc-agi-1/evaluation"])
    value: float
    step: int = Field(description="Of the weights scored, or of the last recorded point.")
    solved: float | None = Field(None, description="Tasks solved, of a score; else null.")
    n: int | None = Field(None, description="Tasks evaluated.")
    low: float | None = Field(None, description="Of the 95 % Wilson interval of a score.")
    high: float | None = None
    weights: str = Field("", examples=["ema"])
    views: int | None = None
    evaluation: int | None = Field(None, description="Id of the evaluation; null for a series.")


class Judgement(Model):
    """A verdict with its reason and its evidence."""

    model_config = ConfigDict(frozen=True)

    verdict: Verdict
    reason: str
    met: bool | None = Field(None, description="Whether the value itself meets the bar; null without one.")
    excludes_bar: bool | None = Field(
        None, description="Whether the whole interval is on one side of the bar; null without an interval."
    )
    value: float | None = None
    low: float | None = None
    high: float | None = None
    evidence: list[Evidence] = Field([])


@dataclass(frozen=True)
class Recorded:
    """A series in short; None where no value was finite."""

    last: float | None
    min: float | None
    max: float | None
    step: int


@dataclass(frozen=True)
class Scored:
    """pass@k of a set by the evaluation that the config asks for."""

    score: Score
    step: int
    weights: str
    views: int
    evaluation: int | None = None


@dataclass(frozen=True)
class Paired:
    """The run against its baseline on the same tasks; `better` as the paired tests say it."""

    better: Literal["run", "baseline", "undecided"]
    words: str
    run: Scored
    baseline: Scored
    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class Findings:
    """What a run left behind. `failed` says why it did not come to its end; empty: it did."""

    default_set: str = ""  # that pass@k is of where the measure does not say
    series: Mapping[str, Recorded] = field(default_factory=dict)
    scores: Mapping[tuple[str, int], Scored] = field(default_factory=dict)  # by set and k
    paired: Paired | None = None
    unpaired: str = ""  # why there is no comparison
    ruling: Ruling | None = None
    failed: str = ""


class _Missing(Exception):
    """There is nothing to judge, and why."""


def judge(hypothesis: Hypothesis, findings: Findings) -> Judgement:
    """The verdict that the findings give."""
    if findings.failed:
        return Judgement(verdict="undecided", reason=findings.failed)
    if findings.ruling and findings.ruling.verdict == "refuted":
        return _by_rule(findings.ruling)
    try:
        if isinstance(hypothesis, BarHypothesis):
            return _by_bar(hypothesis, findings)
        return _by_baseline(findings)
    except _Missing as missing:
        return Judgement(verdict="undecided", reason=str(missing))


def verdict_on_bar(interval: tuple[float, float], comparison: Comparison, bar: float) -> Verdict:
    """Supported where all of the interval meets the bar, refuted where none does, else undecided."""
    sides = {holds(end, comparison, bar) for end in interval}
    return "undecided" if len(sides) > 1 else "supported" if True in sides else "refuted"


def verdict_on_difference(difference: Difference) -> Verdict:
    """Whether a is better than b, from the interval of a - b; undecided where it includes zero."""
    if not difference.is_decided:
        return "undecided"
    return "supported" if difference.mean > 0 else "refuted"


def _by_rule(ruling: Ruling) -> Judgement:
    return Judgement(
        verdict="refuted",
        reason=f"{ruling.text[:1].upper()}{ruling.text[1:]}.",
        met=False,
        value=ruling.value,
        evidence=[Evidence(measure=ruling.measure, value=ruling.value, step=ruling.step)],
    )


def _by_bar(hypothesis: BarHypothesis, findings: Findings) -> Judgement:
    measure = parse(hypothesis.measure)
    evidence = [_evidence(term, findings) for term in measure.terms]
    value = measure.value(tuple(each.value for each in evidence))
    if not math.isfinite(value):
        raise _Missing(f"{measure} is not a number: {' and '.join(_said(each) for each in evidence)}.")
    interval = interval_of(measure, evidence)
    met = holds(value, hypothesis.comparison, hypothesis.value)
    verdict = verdict_on_bar(interval or (value, value), hypothesis.comparison, hypothesis.value)
    return Judgement(
        verdict=verdict,
        reason=_reason(hypothesis, measure, value, interval, verdict, met),
        met=met,
        excludes_bar=None if interval is None else verdict != "undecided",
        value=value,
        low=interval[0] if interval else None,
        high=interval[1] if interval else None,
        evidence=evidence,
    )


def _reason(
    hypothesis: BarHypothesis,
    measure: Measure,
    value: float,
    interval: tuple[float, float] | None,
    verdict: Verdict,
    met: bool,
) -> str:
    """`pass@1 is 12.5 % [5.0 % to 28.1 %]: the interval includes the bar 10 %, which the value meets.`"""
    said = f"{measure} is {number(measure, value)}"
    bar = bar_words(measure, hypothesis.comparison, hypothesis.value)
    if interval is None:
        return f"{said}: the bar {bar} is {'met' if met else 'missed'}."
    said += f" [{number(measure, interval[0])} to {number(measure, interval[1])}]"
    if verdict == "undecided":
        return f"{said}: the value {'meets' if met else 'misses'} {bar}, and the interval includes the bar."
    return f"{said}: the whole interval {'meets' if met else 'misses'} {bar}."


def _evidence(term: Term, findings: Findings) -> Evidence:
    if not term.k:
        return _of_series(term, findings)
    name = term.set_name or findings.default_set
    scored = findings.scores.get((name, term.k))
    if scored is None or not scored.score.n:
        where = f" on {name}" if name else ""
        raise _Missing(f"No finished evaluation of pass@{term.k}{where} by the protocol of its config.")
    return _of_score(f"pass@{term.k} on {name}", scored)


def _of_score(measure: str, scored: Scored) -> Evidence:
    low, high = scored.score.interval
    return Evidence(
        measure=measure,
        value=scored.score.solved / scored.score.n,
        step=scored.step,
        solved=scored.score.solved,
        n=scored.score.n,
        low=low,
        high=high,
        weights=scored.weights,
        views=scored.views,
        evaluation=scored.evaluation,
    )


def _of_series(term: Term, findings: Findings) -> Evidence:
    recorded = findings.series.get(term.series)
    if recorded is None:
        raise _Missing(f"The run recorded no series {term.series}.")
    value = {"last": recorded.last, "min": recorded.min, "max": recorded.max}[term.summary]
    if value is None or not math.isfinite(value):
        raise _Missing(f"{term} is not finite at step {recorded.step:,}.")
    return Evidence(measure=str(term), value=value, step=recorded.step)


def _by_baseline(findings: Findings) -> Judgement:
    paired = findings.paired
    if paired is None:
        raise _Missing(findings.unpaired or "The run and its baseline were evaluated by different protocols.")
    verdicts: dict[str, Verdict] = {"run": "supported", "baseline": "refuted", "undecided": "undecided"}
    return Judgement(
        verdict=verdicts[paired.better],
        reason=paired.words,
        met=paired.difference > 0,
        excludes_bar=paired.low > 0 or paired.high < 0,
        value=paired.difference,
        low=paired.low,
        high=paired.high,
        evidence=[_of_score("this run", paired.run), _of_score("baseline", paired.baseline)],
    )


def _said(evidence: Evidence) -> str:
    return f"{evidence.measure} is {evidence.value:g}"
