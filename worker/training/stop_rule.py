"""A hypothesis's stop rule, asked at every recorded point: an observer of numbers that were read anyway."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from backend.domain.experiment import BarHypothesis, HopelessStop, HypothesisConfig, NoHypothesis, NoStop
from backend.domain.hypothesis.measure import Comparison, Measure, holds, parse
from backend.domain.hypothesis.words import bar_words, number
from backend.domain.records import Ruling


@dataclass(frozen=True)
class Condition:
    """When to stop: `measure` compares so with `value`, at `points` points in a row from `after_step` on."""

    measure: str
    comparison: Comparison
    value: float
    after_step: int
    points: int
    verdict: Literal["refuted", "reached"]


def condition_of(hypothesis: HypothesisConfig) -> Condition | None:
    """What the hypothesis says about stopping; None: nothing does."""
    if isinstance(hypothesis, NoHypothesis) or isinstance(hypothesis.stop, NoStop):
        return None
    stop = hypothesis.stop
    if isinstance(stop, HopelessStop):
        return Condition(stop.measure, stop.comparison, stop.value, stop.after_step, stop.points, "refuted")
    assert isinstance(hypothesis, BarHypothesis)  # the only one whose rule can be "reached"
    bar = (hypothesis.measure, hypothesis.comparison, hypothesis.value)
    return Condition(*bar, stop.after_step, stop.points, "reached")


class StopRule:
    """The rule and what it remembers: each series' last, least and greatest value, how long it has held."""

    def __init__(self, hypothesis: HypothesisConfig) -> None:
        self.condition = condition_of(hypothesis)
        self.ruling: Ruling | None = None
        self.seen: dict[str, list[float]] = {}  # series -> last, least and greatest finite value
        self.lasted = 0  # points in a row

    @property
    def evaluates(self) -> bool:
        """Whether a run that the rule ends is scored: what is refuted is not worth the time."""
        return self.condition is None or self.condition.verdict == "reached"

    def check(self, step: int, values: Mapping[str, float]) -> Ruling | None:
        """What the point of `step` decides; the first ruling stays."""
        if self.condition is None or self.ruling is not None:
            return self.ruling
        measure = parse(self.condition.measure)
        self._note(measure, values)
        if step < self.condition.after_step or not any(name in values for name in measure.series):
            return None
        value = self._value(measure)
        met = holds(value, self.condition.comparison, self.condition.value)
        self.lasted = self.lasted + 1 if met else 0
        if self.lasted >= self.condition.points:
            self.ruling = _ruling(self.condition, measure, step, value)
        return self.ruling

    def state_dict(self) -> dict[str, Any]:
        """What the rule remembers, and which rule it is."""
        return {
            "condition": asdict(self.condition) if self.condition else None,
            "seen": self.seen,
            "lasted": self.lasted,
            "ruling": asdict(self.ruling) if self.ruling else None,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue as it was saved; the memory of another rule is left behind."""
        if self.condition is None or state.get("condition") != asdict(self.condition):
            return
        self.seen, self.lasted = state["seen"], state["lasted"]
        self.ruling = Ruling(**state["ruling"]) if state["ruling"] else None

    def _note(self, measure: Measure, values: Mapping[str, float]) -> None:
        for name in measure.series:
            if name not in values:
                continue
            value = values[name]
            _, least, greatest = self.seen.get(name, [value, math.inf, -math.inf])
            finite = [value] if math.isfinite(value) else []
            self.seen[name] = [value, min([least, *finite]), max([greatest, *finite])]

    def _value(self, measure: Measure) -> float:
        """Of the measure as far as was recorded; NaN where one of its series was not yet."""
        places = {"last": 0, "min": 1, "max": 2}
        found = [self.seen.get(term.series, [math.nan] * 3)[places[term.summary]] for term in measure.terms]
        return measure.value(tuple(found))


def _ruling(condition: Condition, measure: Measure, step: int, value: float) -> Ruling:
    lasting = f", at {condition.points} points in a row" if condition.points > 1 else ""
    bar = bar_words(measure, condition.comparison, condition.value)
    text = f"stopped at step {step:,} by its stop rule: {measure} {number(measure, value)} {bar}{lasting}"
    return Ruling(step, condition.verdict, str(measure), value, text)
