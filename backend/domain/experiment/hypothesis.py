"""What a run is to show: a claim, the bar that decides it, and when to stop before the last step."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from backend.domain.experiment.fields import Config, field
from backend.domain.hypothesis.measure import ATTEMPTS, MAX_LENGTH, Comparison, Measure, parse

_MEASURE = (
    "A recorded series (accuracy/token; its least :min or greatest :max), pass@1, pass@1 on "
    "arc-agi-1/evaluation, or two of them with ' - ' or ' / ' between."
)
_CLAIM = "One sentence: what you expect, and why."
_AFTER = "The rule applies from this step on."
_POINTS = "Consecutive recorded points at which it must hold."


class NoHypothesis(Config):
    """Nothing is judged."""

    kind: Literal["none"] = "none"


class NoStop(Config):
    """The run takes all its steps."""

    kind: Literal["none"] = "none"


class HopelessStop(Config):
    """Stops as refuted where a condition holds: nothing is evaluated, the checkpoint stays."""

    kind: Literal["hopeless"] = "hopeless"
    after_step: int = field(100, "Not before step", _AFTER, unit="steps", ge=0, le=10**9)
    measure: str = field(
        "accuracy/token",
        "Measure",
        "A recorded series, or two with ' - ' or ' / ' between.",
        min_length=1,
        max_length=MAX_LENGTH,
    )
    comparison: Comparison = field("<", "Comparison", "The comparison that counts as hopeless.")
    value: float = field(0.2, "Value", "The threshold; fractions are 0 to 1.")
    points: int = field(1, "Points in a row", _POINTS, unit="points", ge=1, le=10_000)

    @model_validator(mode="after")
    def _is_recorded_in_training(self) -> HopelessStop:
        _check_range(_series_of(self.measure), self.value)
        return self


class ReachedStop(Config):
    """Stops once the success bar itself is reached, and is evaluated as at the last step."""

    kind: Literal["reached"] = "reached"
    after_step: int = field(0, "Not before step", _AFTER, unit="steps", ge=0, le=10**9)
    points: int = field(1, "Points in a row", _POINTS, unit="points", ge=1, le=10_000)


class BarHypothesis(Config):
    """A measure meets a bar."""

    kind: Literal["bar"] = "bar"
    claim: str = field("", "Claim", _CLAIM, min_length=1, max_length=500)
    measure: str = field("pass@1", "Measure", _MEASURE, min_length=1, max_length=MAX_LENGTH)
    comparison: Comparison = field(">=", "Comparison", "The required comparison with the bar.")
    value: float = field(
        0.1, "Bar", "Shares lie in 0 to 1. Scores are held against it with their whole interval."
    )
    stop: Annotated[NoStop | HopelessStop | ReachedStop, Field(discriminator="kind")] = field(
        NoStop, "Stop rule", "When to stop before the last step."
    )

    @model_validator(mode="after")
    def _bar_can_be_met(self) -> BarHypothesis:
        measure = _parsed(self.measure)
        _check_range(measure, self.value)
        if isinstance(self.stop, ReachedStop) and any(term.k for term in measure.terms):
            raise ValueError(
                "stop.kind reached needs a bar on recorded series, and evaluations come at the end: "
                "stopping at the first high pass@k would favour luck; choose none or hopeless"
            )
        return self


class BaselineHypothesis(Config):
    """The run solves more than another run, on the same tasks, and the difference is significant."""

    kind: Literal["baseline"] = "baseline"
    claim: str = field("", "Claim", _CLAIM, min_length=1, max_length=500)
    run_id: str = field("", "Baseline", "Id of the run to beat.", max_length=10)
    k: int = field(1, "Attempts", f"The k of pass@k: one of {', '.join(map(str, ATTEMPTS))}.", ge=1, le=10)
    set_name: str = field(
        "", "Evaluated set", "Evaluated by both. Empty: this run's first held-out set.", max_length=200
    )
    stop: Annotated[NoStop | HopelessStop, Field(discriminator="kind")] = field(
        NoStop, "Stop rule", "When to stop before the last step."
    )

    @field_validator("run_id")
    @classmethod
    def _names_a_run(cls, run_id: str) -> str:
        if not re.fullmatch("[a-z0-9]{10}", run_id):
            raise ValueError(
                f"must be 10 lower-case letters and digits, not {run_id!r}: "
                "the address of a run's page ends with its id"
            )
        return run_id


Hypothesis = BarHypothesis | BaselineHypothesis
HypothesisConfig = Annotated[NoHypothesis | BarHypothesis | BaselineHypothesis, Field(discriminator="kind")]


def _parsed(text: str) -> Measure:
    try:
        return parse(text)
    except ValueError as error:
        raise ValueError(f"measure {error}") from error


def _series_of(text: str) -> Measure:
    """The measure of a stop rule: what training records, at its last point."""
    measure = _parsed(text)
    if any(term.k for term in measure.terms):
        raise ValueError(
            "measure of a stop rule cannot be an evaluation, since it is asked while training: "
            "name a recorded series such as accuracy/token"
        )
    return measure


def _check_range(measure: Measure, value: float) -> None:
    low, high = measure.range
    if not low <= value <= high:
        advice = f": write {value / 100:g} for {value:g} %" if low <= value / 100 <= high else ""
        raise ValueError(f"value must lie in {low:g} to {high:g}, as {measure} does, not {value:g}{advice}")
