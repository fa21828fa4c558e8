"""The form of results: one JSON line for a figure, and for each run of a question the machine it ran on.

A question prints lines of three kinds, in this order: one `machine`, any number of `figure`, one `end`.
A question that fails prints no `end`.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

OURS = "ETRM Lab"  # how the subjects that are ours begin

Statistic = Literal["median", "p95", "p99"]


class InvalidLine(ValueError):
    """A line is no record; the message says where and what is wrong."""


@dataclass(frozen=True)
class Bar:
    """What a figure is wanted to be: a statistic of it, `at_most` or `at_least` a number."""

    statistic: Statistic
    side: Literal["at_most", "at_least"]
    limit: float

    def is_met(self, figure: Figure) -> bool | None:
        """None where the figure was not measured."""
        value = getattr(figure, self.statistic)
        if value is None:
            return None
        return bool(value <= self.limit if self.side == "at_most" else value >= self.limit)


def at_most(limit: float, statistic: Statistic = "median") -> Bar:
    return Bar(statistic, "at_most", limit)


def at_least(limit: float, statistic: Statistic = "median") -> Bar:
    return Bar(statistic, "at_least", limit)


@dataclass(frozen=True)
class Figure:
    """What one subject came to in one case: statistics of `n` values, or a note on why there are none."""

    question: str
    case: str  # what was done, with sizes
    subject: str  # who did it; ours begin with OURS
    unit: str  # a rate ends with /s: more is better
    n: int = 0
    median: float | None = None
    low: float | None = None
    high: float | None = None
    p95: float | None = None
    p99: float | None = None
    bar: Bar | None = None
    note: str = ""
    more_is_better: bool = False

    @property
    def is_ours(self) -> bool:
        return self.subject.startswith(OURS)

    def times_worse_than(self, ours: Figure) -> float | None:
        """How many times better `ours` is, by the medians; None where that cannot be told."""
        if not self.median or not ours.median:
            return None
        ratio = self.median / ours.median
        return 1 / ratio if self.more_is_better else ratio


@dataclass(frozen=True)
class Machine:
    """Where and when a question was asked, and of which versions."""

    question: str
    title: str
    at: str  # UTC, ISO 8601
    quick: bool
    cpu: str
    cores: int
    memory_gb: float
    system: str
    load: float  # at the start, average over a minute
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class End:
    """A question was answered to its end."""

    question: str
    seconds: float
    load: float


Line = Machine | Figure | End
KINDS: dict[str, type[Line]] = {"machine": Machine, "figure": Figure, "end": End}


def figure(
    question: str,
    case: str,
    subject: str,
    unit: str,
    values: Sequence[float],
    bar: Bar | None = None,
    note: str = "",
    more_is_better: bool | None = None,
) -> Figure:
    """The statistics of the values, rounded to four digits."""
    if more_is_better is None:
        more_is_better = unit.endswith("/s")
    if not values:
        return Figure(question, case, subject, unit, bar=bar, note=note, more_is_better=more_is_better)
    return Figure(
        question,
        case,
        subject,
        unit,
        n=len(values),
        median=rounded(statistics.median(values)),
        low=rounded(min(values)),
        high=rounded(max(values)),
        p95=rounded(percentile(values, 0.95)),
        p99=rounded(percentile(values, 0.99)),
        bar=bar,
        note=note,
        more_is_better=more_is_better,
    )


def percentile(values: Sequence[float], part: float) -> float:
    """The least value that at least this part, in (0, 1], of all are not above."""
    return sorted(values)[math.ceil(part * len(values)) - 1]


def rounded(value: float) -> float:
    return float(f"{value:.4g}")


def text_of(line: Line) -> str:
    """As it is written down."""
    kind = next(name for name, known in KINDS.items() if isinstance(line, known))
    return json.dumps({"kind": kind} | asdict(line), allow_nan=False)


def read(lines: Iterable[str], source: str) -> list[Line]:
    """The records of a file or an output called `source`; InvalidLine names the first line that is none."""
    found = []
    for number, text in enumerate(lines, 1):
        if text.strip():
            try:
                found.append(parse(text))
            except InvalidLine as error:
                raise InvalidLine(f"{source}, line {number}: {error}") from error
    return found


def parse(text: str) -> Line:
    """The record in one line; InvalidLine says what is wrong with it."""
    try:
        content: Any = json.loads(text)
    except ValueError as error:
        raise InvalidLine(f"not JSON: {error}") from error
    if not isinstance(content, dict) or content.get("kind") not in KINDS:
        raise InvalidLine(f"`kind` must be one of {', '.join(KINDS)}")
    kind = content.pop("kind")
    try:
        if content.get("bar") is not None:
            content["bar"] = Bar(**content["bar"])
        return KINDS[kind](**content)
    except TypeError as error:
        raise InvalidLine(f"not a valid {kind}: {error}") from error
