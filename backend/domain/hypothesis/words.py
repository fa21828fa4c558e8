"""Hypotheses in words: bars, conditions and stop rules, with shares in per cent."""

from __future__ import annotations

import math

from backend.domain.experiment import (
    BarHypothesis,
    HopelessStop,
    Hypothesis,
    NoStop,
    ReachedStop,
)
from backend.domain.hypothesis.measure import Comparison, Measure, parse
from backend.kit.format import NBSP, percent, significant

SIGNS: dict[Comparison, str] = {">=": "≥", "<=": "≤", ">": ">", "<": "<"}


def number(measure: Measure, value: float) -> str:
    """A value of the measure: shares in per cent, their differences in points, the rest as a number."""
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if math.isinf(measure.range[0]):
        return significant(value)
    return f"{value * 100:.1f}{NBSP}points" if measure.sign else percent(value)


def bar_words(measure: Measure, comparison: Comparison, value: float) -> str:
    """`≥ 10.0 %`."""
    return f"{SIGNS[comparison]}{NBSP}{number(measure, value)}"


def success_words(hypothesis: Hypothesis) -> str:
    """`pass@1 ≥ 10.0 %`, or which run is to be beaten at what."""
    if isinstance(hypothesis, BarHypothesis):
        measure = parse(hypothesis.measure)
        return f"{measure} {bar_words(measure, hypothesis.comparison, hypothesis.value)}"
    where = f" on {hypothesis.set_name}" if hypothesis.set_name else ""
    return f"beats run {hypothesis.run_id} at pass@{hypothesis.k}{where}, on the same tasks"


def stop_words(stop: NoStop | HopelessStop | ReachedStop) -> str:
    """When the run stops before its last step; empty without a rule."""
    if isinstance(stop, NoStop):
        return ""
    lasting = f" at {stop.points} points in a row" if stop.points > 1 else ""
    if isinstance(stop, HopelessStop):
        measure = parse(stop.measure)
        condition = f"{measure} {bar_words(measure, stop.comparison, stop.value)}"
        return f"from step {stop.after_step:,}: stops as refuted where {condition}{lasting}"
    return f"from step {stop.after_step:,}: stops once the bar is reached{lasting}"
