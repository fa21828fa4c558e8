"""What a success bar or a stop rule measures: `accuracy/token:max`, `pass@1 on SET`, `loss:min / loss:max`.

A measure is one term, or two with ` - ` or ` / ` between them, the spaces included: names of series have
slashes of their own. A term is a recorded series (its last value; `:min` and `:max` its least and greatest)
or pass@k, on the first held-out set unless it says `on SET`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, cast, get_args

from backend.domain import metrics

ATTEMPTS = (1, 2, 5, 10)  # the k at which an evaluation counts pass@k
MAX_LENGTH = 200
Summary = Literal["last", "min", "max"]
Sign = Literal["", "-", "/"]
Comparison = Literal[">=", "<=", ">", "<"]

_HOLDS: dict[Comparison, Callable[[float, float], bool]] = {
    ">=": lambda value, bar: value >= bar,
    "<=": lambda value, bar: value <= bar,
    ">": lambda value, bar: value > bar,
    "<": lambda value, bar: value < bar,
}
_SIGNS = re.compile(r"\s+([-/−])\s+")
_PASS = re.compile(r"pass@?(\d+)(?:\s+on\s+(\S+))?")
_SERIES = re.compile(r"[^\s:]+")


@dataclass(frozen=True)
class Term:
    """A series by its name, or pass@k of a set where `k` is not 0."""

    series: str = ""
    summary: Summary = "last"
    k: int = 0
    set_name: str = ""  # empty: the first held-out set of the run

    @property
    def range(self) -> tuple[float, float]:
        """Within what its values can lie."""
        return (0.0, 1.0) if self.k else metrics.metric(self.series).bounds

    def __str__(self) -> str:
        if self.k:
            return f"pass@{self.k}" + (f" on {self.set_name}" if self.set_name else "")
        return self.series if self.summary == "last" else f"{self.series}:{self.summary}"


@dataclass(frozen=True)
class Measure:
    """A term, or the difference or ratio of two."""

    first: Term
    sign: Sign = ""
    second: Term | None = None

    @property
    def terms(self) -> tuple[Term, ...]:
        return (self.first, self.second) if self.second else (self.first,)

    @property
    def series(self) -> list[str]:
        """Names of the recorded series it needs."""
        return [term.series for term in self.terms if not term.k]

    @property
    def range(self) -> tuple[float, float]:
        """Within what its values can lie."""
        low, high = self.first.range
        if self.second is None:
            return low, high
        if self.sign == "/":
            return -math.inf, math.inf
        least, greatest = self.second.range
        return low - greatest, high - least

    def value(self, values: tuple[float, ...]) -> float:
        """Of the values of its terms; NaN where it divides by zero."""
        if self.sign == "-":
            return values[0] - values[1]
        if self.sign == "/":
            return values[0] / values[1] if values[1] else math.nan
        return values[0]

    def __str__(self) -> str:
        return f" {self.sign} ".join(map(str, self.terms))


def parse(text: str) -> Measure:
    """The measure that a text means; ValueError says what is wrong with it, and how to write it."""
    parts = _SIGNS.split(text.strip())
    if len(parts) > 3:
        raise ValueError("has more than two terms: write A, A - B or A / B")
    first = _term(parts[0])
    if len(parts) == 1:
        return Measure(first)
    return Measure(first, "/" if parts[1] == "/" else "-", _term(parts[2]))


def unknown_series(measure: Measure) -> Iterator[str]:
    """What stands against its series in a training, with what each was probably meant to be."""
    for name in measure.series:
        if name not in metrics.OF_TRAINING:
            yield f"names no recorded series {name!r}: {metrics.suggestion(name)}"


def holds(value: float, comparison: Comparison, bar: float) -> bool:
    """Whether `value` meets the bar; NaN never does."""
    return _HOLDS[comparison](value, bar)


def _term(text: str) -> Term:
    if found := _PASS.fullmatch(text):
        k = int(found[1])
        if k not in ATTEMPTS:
            raise ValueError(f"asks for pass@{k}: evaluations count k = {', '.join(map(str, ATTEMPTS))}")
        return Term(k=k, set_name=found[2] or "")
    name, colon, summary = text.rpartition(":")
    if not colon:
        name, summary = text, "last"
    if not _SERIES.fullmatch(name):
        raise ValueError(
            f"cannot be read at {text!r}: write a recorded series such as accuracy/token, "
            "pass@1 or pass@1 on arc-agi-1/evaluation, or two of them with ' - ' or ' / ' between them"
        )
    if summary not in get_args(Summary):
        raise ValueError(f"asks for {name}:{summary}: write {name}:min, {name}:max or {name} for its last")
    return Term(series=name, summary=cast(Summary, summary))
