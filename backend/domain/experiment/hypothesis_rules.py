"""Whether a run of a config can show what its hypothesis says; ValueError names the field that it cannot."""

from __future__ import annotations

from collections.abc import Sequence

from backend.domain.experiment.hypothesis import (
    BarHypothesis,
    BaselineHypothesis,
    HypothesisConfig,
    NoHypothesis,
    NoStop,
)
from backend.domain.hypothesis.measure import ATTEMPTS, parse, unknown_series


def check_fits(hypothesis: HypothesisConfig, steps: int, evaluated: Sequence[str]) -> None:
    """The series are recorded, the sets evaluated, and the stop rule is asked before the last step."""
    if isinstance(hypothesis, NoHypothesis):
        return
    if isinstance(hypothesis, BarHypothesis):
        _check_measure("hypothesis.measure", hypothesis.measure)
        for term in parse(hypothesis.measure).terms:
            if term.k:
                _check_set("hypothesis.measure", term.set_name, evaluated)
    else:
        _check_baseline(hypothesis, evaluated)
    stop = hypothesis.stop
    if isinstance(stop, NoStop):
        return
    if stop.kind == "hopeless":
        _check_measure("hypothesis.stop.measure", stop.measure)
    if stop.after_step >= steps:
        raise ValueError(
            f"hypothesis.stop.after_step must lie below training.steps ({steps}), not at {stop.after_step}: "
            "the rule would never apply"
        )


def first_held_out(training_sets: Sequence[str], evaluated: Sequence[str]) -> str:
    """The set that pass@k is of where a hypothesis does not say: the first not trained on, or the first."""
    return next((name for name in evaluated if name not in training_sets), next(iter(evaluated), ""))


def _check_measure(field: str, text: str) -> None:
    for problem in unknown_series(parse(text)):
        raise ValueError(f"{field} {problem}")


def _check_baseline(hypothesis: BaselineHypothesis, evaluated: Sequence[str]) -> None:
    if hypothesis.k not in ATTEMPTS:
        raise ValueError(f"hypothesis.k must be one of {', '.join(map(str, ATTEMPTS))}, not {hypothesis.k}")
    _check_set("hypothesis.set_name", hypothesis.set_name, evaluated)


def _check_set(field: str, name: str, evaluated: Sequence[str]) -> None:
    if not evaluated:
        raise ValueError(f"{field} needs an evaluation, and evaluation.sets is empty: name a set there")
    if name and name not in evaluated:
        raise ValueError(
            f"{field} asks for {name}, which the run does not evaluate: "
            f"choose one of {', '.join(evaluated)}, or add it to evaluation.sets"
        )
