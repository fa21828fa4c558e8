"""Where values stand on an axis, and which colour or symbol they have."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from backend.charts import scale, tick_labels
from backend.domain.intervals import UNBOUNDED, Bounds
from backend.domain.looks import HUES, look_of
from backend.kit.expressions import looks_like_one
from backend.kit.filters.tree import Value, finite
from backend.kit.format import NO_VALUE, counted, significant
from backend.runs_table.cells import bounds_of, text_of, unit_of

MAX_CHOICES = 24  # on an axis: further ones share the last place
OTHER = "other"
SYMBOLS = ("circle", "square", "triangle", "diamond", "cross")
BINS = 5  # colours of a number
FEW = 6  # different values that get a colour each
BY_VARIANT = ("variant", "encoder")


def text(name: str, value: Value) -> str:
    """A value under a name or an expression, as a person reads it."""
    if looks_like_one(name) and isinstance(value, int | float) and not isinstance(value, bool):
        return significant(float(value))
    return text_of(name, value)


def bounds(name: str) -> Bounds:
    """Within what the values under a name or an expression lie."""
    return UNBOUNDED if looks_like_one(name) else bounds_of(name)


@dataclass(frozen=True)
class Axis:
    """An axis of numbers from `low` to `high`, or of `choices`, one place each."""

    name: str
    low: float
    high: float
    log: bool = False
    choices: tuple[str, ...] = ()

    @classmethod
    def of(cls, name: str, values: Sequence[Value], log: bool = False, padded: bool = True) -> Axis:
        """The axis for these values. Texts, and numbers among texts, are choices; a logarithmic axis has no
        place for what is not positive."""
        there = [value for value in values if value is not None]
        if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in there):
            ranked = [each for each, _ in Counter(text(name, value) for value in there).most_common()]
            listed = sorted(ranked)
            if len(ranked) > MAX_CHOICES:
                listed = [*sorted(ranked[: MAX_CHOICES - 1]), OTHER]
            return cls(name, -0.5, len(listed) - 0.5, choices=tuple(listed))
        numbers = [
            number for value in there if (number := finite(value)) is not None and (number > 0 or not log)
        ]
        if not numbers:
            return cls(name, 0.0, 1.0, log)
        ends = min(numbers), max(numbers)
        if log:
            low, high = scale.flat_exponents(*map(math.log10, ends))
            return cls(
                name, *(scale.flat_exponents(*scale.padded(low, high)) if padded else (low, high)), log
            )
        return cls(name, *(scale.padded(*ends) if padded else scale.flat(*ends)))

    def place(self, value: Value) -> float | None:
        """From 0 to 1; None for what has no place."""
        if self.choices:
            return None if value is None else self._share(self._places[self.choice_of(value)])
        number = finite(value)
        if number is None or (self.log and number <= 0):
            return None
        return self._share(math.log10(number) if self.log else number)

    def choice_of(self, value: Value) -> str:
        """The choice whose place a value has, on an axis of choices."""
        own = text(self.name, value)
        return own if own in self._places else self.choices[-1]

    @cached_property
    def _places(self) -> Mapping[str, int]:
        return {choice: at for at, choice in enumerate(self.choices)}

    def _share(self, number: float) -> float:
        return (number - self.low) / (self.high - self.low)

    @cached_property
    def ticks(self) -> list[tuple[float, str]]:
        """(place from 0 to 1, label)."""
        if self.choices:
            return [(self._share(at), choice) for at, choice in enumerate(self.choices)]
        if self.log:
            found = scale.log_ticks(self.low, self.high)
            return list(
                zip([self._share(math.log10(each)) for each in found], self._labels(found), strict=True)
            )
        if self._unit == "time":
            moments = scale.x_ticks("wall", self.low, self.high)
            return [(self._share(at), label) for at, label in moments]
        found = [
            each for each in scale.ticks(self.low, self.high, scale.Y_TICKS) if self.low <= each <= self.high
        ]
        return list(zip(map(self._share, found), self._labels(found), strict=True))

    @property
    def _unit(self) -> str:
        return "number" if looks_like_one(self.name) else unit_of(self.name)

    def _labels(self, values: Sequence[float]) -> list[str]:
        if self._unit in ("time", "seconds"):
            return [text_of(self.name, value) for value in values]
        return tick_labels.y_labels(self._unit, values, self.log)


@dataclass(frozen=True)
class Key:
    """Which mark (a class of the style sheet, or a symbol) stands for which value; `labels` in order."""

    name: str
    marks: Mapping[str, str]  # text of a value -> mark
    labels: Mapping[str, str]  # mark -> what it stands for
    edges: tuple[float, ...] = ()  # of bins of numbers, between them

    def mark(self, value: Value) -> str:
        """That of a value."""
        if not self.name:
            return next(iter(self.labels))
        if self.edges:
            number = finite(value)
            return "k0" if number is None else f"q{int(np.searchsorted(self.edges, number, side='right'))}"
        return self.marks.get(text(self.name, value), list(self.labels)[-1])


def colours(name: str, values: Sequence[Value]) -> Key:
    """Colours for the values: that of the variant, one each for a few, bins for many numbers."""
    if not name:
        return Key("", {}, {"k1": ""})
    numbers = sorted({number for value in values if (number := finite(value)) is not None})
    if len(numbers) > FEW and all(value is None or finite(value) is not None for value in values):
        return _bins(name, numbers, any(value is None for value in values))
    levels = _levels(name, values)
    if name in BY_VARIANT:
        hues = {level: f"k{_number_of(look_of(level).hue)}" for level in levels}
        shared = {mark: ", ".join(level for level in levels if hues[level] == mark) for mark in hues.values()}
        return Key(name, hues, shared or {"k0": NO_VALUE})
    return _each(name, levels, [f"k{_number_of(hue)}" for hue in HUES], "k0")


def symbols(name: str, values: Sequence[Value]) -> Key:
    """Symbols for the values: one each for the most frequent."""
    if not name:
        return Key("", {}, {SYMBOLS[0]: ""})
    return _each(name, _levels(name, values), list(SYMBOLS[:-1]), SYMBOLS[-1])


def _levels(name: str, values: Sequence[Value]) -> list[str]:
    """The different values as texts: those of numbers in their order, others by how frequent they are."""
    numbers = {number: text(name, value) for value in values if (number := finite(value)) is not None}
    frequency = Counter(text(name, value) for value in values)
    by_number = [numbers[number] for number in sorted(numbers)]
    return list(dict.fromkeys([*by_number, *(level for level, _ in frequency.most_common())]))


def _each(name: str, levels: Sequence[str], marks: Sequence[str], rest: str) -> Key:
    own = dict(zip(levels, marks, strict=False))
    labels = {mark: level for level, mark in own.items()}
    if len(levels) > len(marks):
        labels[rest] = counted(len(levels) - len(marks), "other")
        own |= dict.fromkeys(levels[len(marks) :], rest)
    return Key(name, own, labels or {rest: NO_VALUE})


def _bins(name: str, numbers: Sequence[float], some_lack_it: bool) -> Key:
    """Bins with as many different values each."""
    edges = tuple(dict.fromkeys(float(each) for each in np.quantile(numbers, np.arange(1, BINS) / BINS)))
    bounds = [text(name, each) for each in (numbers[0], *edges, numbers[-1])]
    labels = {f"q{at}": f"{low} to {high}" for at, (low, high) in enumerate(pairwise(bounds))}
    return Key(name, {}, labels | ({"k0": NO_VALUE} if some_lack_it else {}), edges)


def _number_of(hue: str) -> str:
    return hue.removeprefix("series-") if hue.startswith("series-") else "0"
