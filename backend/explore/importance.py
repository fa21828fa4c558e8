"""Which fields of the configs go with a result: association over configurations, with its uncertainty.

Every configuration counts once, with the mean of the result over its seeds, so that seeds do not pass for
independent settings. Everything is measured on the ranks of the results: a diverged run counts no more than
the worst other.

- An ordered field (numbers): Spearman's rank correlation. It sees what rises or falls throughout, and nothing
  of an optimum in the middle.
- A choice (texts, true or false): eta squared, the share of the variance that lies between its values.

The interval is the 95 % percentile interval over configurations drawn with replacement. A relation is decided
when fewer than 5 % of the shufflings of the results give one as strong, adjusted for how many fields are
looked at (Holm); eta squared is above zero by chance alone, so an interval cannot decide it. Fields that
changed together cannot be told apart by any such number: they are named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from backend.domain.statistics import holm
from backend.kit.filters.tree import Value, is_number

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Kind = Literal["ordered", "choice"]

MIN_CONFIGURATIONS = 6  # fewer have too few orders for any of them to be unusual
RESAMPLES = 1000
SHUFFLINGS = 2000
LEVEL = 0.05
TOGETHER = 0.8  # association of two fields from which they cannot be told apart
MAX_FIELDS = 40
EQUAL = 1e-9  # two strengths that differ by less are the same but for rounding


@dataclass(frozen=True)
class Field:
    """A field of the configs that varies: configuration -> value, without those that lack the field."""

    path: str
    values: Mapping[str, Value]

    @property
    def kind(self) -> Kind:
        """Numbers have an order; everything else, and numbers among texts, are choices."""
        is_ordered = all(is_number(value) for value in self.values.values())
        return "ordered" if is_ordered else "choice"

    @property
    def levels(self) -> int:
        """How many different values there are."""
        return len(set(map(repr, self.values.values())))


@dataclass(frozen=True)
class Importance:
    """How strongly a field goes with the result. `effect` is signed for ordered fields; None: undefined."""

    path: str
    kind: Kind
    levels: int
    configurations: int  # with the field and the result
    effect: float | None
    low: float | None
    high: float | None
    share: float | None  # of the variance of the ranks: effect squared, or the effect of a choice
    by_chance: float | None  # what that share is on average where there is no relation
    p_adjusted: float | None
    together_with: tuple[str, ...]  # fields that cannot be told apart from it
    reason: str = ""  # why there is no number

    @property
    def is_decided(self) -> bool:
        """Whether the relation is unlikely to be chance."""
        return self.p_adjusted is not None and self.p_adjusted < LEVEL


def importances(fields: Sequence[Field], results: Mapping[str, float], seed: int = 0) -> list[Importance]:
    """One for each field, the strongest first and those without a number last.

    `results`: configuration -> the mean of its result, finite. The same input gives the same numbers.
    """
    keys = list(results)
    of_keys: dict[tuple[str, ...], list[Field]] = {}
    for field in fields:
        of_keys.setdefault(tuple(key for key in keys if key in field.values), []).append(field)
    by_path: dict[str, _Measured] = {}
    for own, members in of_keys.items():  # fields of the same configurations share what is drawn
        y, drawn = np.zeros(0), None
        if len(own) >= MIN_CONFIGURATIONS:
            y = _centred(midranks(np.array([results[key] for key in own])))
            drawn = _Drawn.of(y, np.random.default_rng(seed))
        by_path |= {field.path: _measured(field, own, y, drawn) for field in members}
    made = [by_path[field.path] for field in fields]
    adjusted = iter(holm([each.p for each in made if each.p is not None]))
    together = _together(fields, keys)
    found = [
        Importance(
            path=each.field.path,
            kind=each.field.kind,
            levels=each.field.levels,
            configurations=each.n,
            effect=each.effect,
            low=each.low,
            high=each.high,
            share=each.share,
            by_chance=each.by_chance,
            p_adjusted=None if each.p is None else next(adjusted),
            together_with=tuple(together[each.field.path]),
            reason=each.reason,
        )
        for each in made
    ]
    return sorted(found, key=lambda each: (each.share is None, not each.is_decided, -(each.share or 0.0)))


@dataclass(frozen=True)
class _Measured:
    field: Field
    n: int
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    share: float | None = None
    by_chance: float | None = None
    p: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class _Drawn:
    """What is drawn at random for the ranks of a result: shuffled ones (SHUFFLINGS, n), and how often each
    configuration is drawn (RESAMPLES, n)."""

    shuffled: Floats
    weights: Floats

    @classmethod
    def of(cls, y: Floats, rng: np.random.Generator) -> _Drawn:
        n = len(y)
        shuffled = rng.permuted(np.tile(y, (SHUFFLINGS, 1)), axis=1)
        picked = rng.integers(0, n, (RESAMPLES, n)) + n * np.arange(RESAMPLES)[:, None]
        weights = np.bincount(picked.ravel(), minlength=RESAMPLES * n).reshape(RESAMPLES, n)
        return cls(shuffled, weights.astype(np.float64))


def _measured(field: Field, keys: Sequence[str], y: Floats, drawn: _Drawn | None) -> _Measured:
    """The field over the configurations `keys`, whose results have the ranks y, (n,), less their mean."""
    n, values = len(keys), [field.values[key] for key in keys]
    if drawn is None:
        return _Measured(field, n, reason=f"fewer than {MIN_CONFIGURATIONS} configurations have it")
    if not y.any():
        return _Measured(field, n, reason="the result is the same everywhere")
    if len(set(map(repr, values))) < 2:
        return _Measured(field, n, reason="the configurations with a result have one value of it")
    side = _Ordered(values, y) if field.kind == "ordered" else _Choice(values, y)
    if isinstance(side, _Choice) and side.groups == n:
        return _Measured(field, n, reason="every configuration has a value of its own")
    share = float(side.share_of(y[None])[0])
    as_strong = int((side.share_of(drawn.shuffled) >= share - EQUAL).sum())
    effects = side.effects(drawn.weights)
    effects = effects[np.isfinite(effects)]
    is_enough = len(effects) > RESAMPLES // 2
    low, high = np.percentile(effects, [2.5, 97.5]).tolist() if is_enough else (None, None)
    return _Measured(
        field,
        n,
        effect=float(side.effects(np.ones((1, n)))[0]),
        low=low,
        high=high,
        share=share,
        by_chance=side.by_chance,
        p=(1 + as_strong) / (1 + SHUFFLINGS),
    )


class _Ordered:
    """An ordered field beside the ranks of the result."""

    def __init__(self, values: Sequence[Value], y: Floats) -> None:
        self._x, self._y = _centred(midranks(np.array(values, np.float64))), y
        self.by_chance = 1 / (len(y) - 1)

    def share_of(self, ys: Floats) -> Floats:
        """Squared correlation with each of the rows (m, n), which are orders of y: (m,)."""
        correlation: Floats = ys @ self._x / np.sqrt((self._x @ self._x) * (self._y @ self._y))
        return correlation**2

    def effects(self, weights: Floats) -> Floats:
        """Correlation where configuration j counts weights[i, j] times: (m, n) -> (m,)."""
        return correlations(self._x, self._y, weights)


class _Choice:
    """Which value of a choice each configuration has, beside the ranks of the result."""

    def __init__(self, values: Sequence[Value], y: Floats) -> None:
        self._codes, self._y = codes_of(values), y
        self.groups = int(self._codes.max()) + 1
        self.by_chance = (self.groups - 1) / (len(y) - 1)

    def share_of(self, ys: Floats) -> Floats:
        """Eta squared of each of the rows (m, n), which are orders of y: (m,)."""
        member = np.eye(self.groups)[self._codes]
        found: Floats = ((ys @ member) ** 2 / member.sum(axis=0)).sum(axis=1) / (self._y @ self._y)
        return found

    def effects(self, weights: Floats) -> Floats:
        """Eta squared where configuration j counts weights[i, j] times: (m, n) -> (m,)."""
        return etas_squared(self._codes, self._y, weights)


def correlations(x: Floats, y: Floats, weights: Floats) -> Floats:
    """Correlation of x (n,) and y (n,) where place j counts weights[i, j] times: (m, n) -> (m,). NaN where
    one of them is constant."""
    n = weights.sum(axis=1)
    mean_x, mean_y = weights @ x / n, weights @ y / n
    covariance = weights @ (x * y) / n - mean_x * mean_y
    spread = (weights @ x**2 / n - mean_x**2) * (weights @ y**2 / n - mean_y**2)
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = np.where(spread > EQUAL, covariance / np.sqrt(spread), np.nan)
    return found.clip(-1, 1)


def etas_squared(codes: Ints, y: Floats, weights: Floats) -> Floats:
    """The share of the variance of y (n,) between groups (n,), counted from 0, where place j counts
    weights[i, j] times: (m, n) -> (m,). NaN where y is constant."""
    member = np.eye(int(codes.max()) + 1)[codes]
    of_all = (weights @ y) ** 2 / weights.sum(axis=1)
    between = ((weights @ (member * y[:, None])) ** 2 / np.maximum(weights @ member, 1)).sum(axis=1) - of_all
    total = weights @ y**2 - of_all
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = np.where(total > EQUAL, between / total, np.nan)
    return found.clip(0, 1)


@dataclass(frozen=True)
class Column:
    """A field over n configurations: which of its values each has, -1 where it lacks the field, (n,); and the
    numbers themselves where the field is ordered, (n,)."""

    codes: Ints
    numbers: Floats | None

    @classmethod
    def of(cls, field: Field, keys: Sequence[str]) -> Column:
        """The field of these configurations."""
        has = np.array([key in field.values for key in keys], bool)
        values = [field.values[key] for key in keys if key in field.values]
        codes = np.full(len(keys), -1)
        codes[has] = codes_of(values)
        if field.kind != "ordered":
            return cls(codes, None)
        numbers = np.full(len(keys), np.nan)
        numbers[has] = values
        return cls(codes, numbers)


def _together(fields: Sequence[Field], keys: Sequence[str]) -> dict[str, list[str]]:
    """Path -> paths of the fields that cannot be told apart from it, in the order of the fields."""
    columns = {field.path: Column.of(field, keys) for field in fields}
    found: dict[str, list[str]] = {path: [] for path in columns}
    for path, other in combinations(columns, 2):
        if association(columns[path], columns[other]) >= TOGETHER:
            found[path].append(other)
            found[other].append(path)
    return found


def association(one: Column, other: Column) -> float:
    """How strongly two fields go together over the configurations that have both, 0 to 1: the greatest of
    the rank correlation of two ordered ones, Cramér's V of their values, and eta of the ranks of one by the
    values of the other. What has a value for nearly every configuration groups nothing."""
    both = (one.codes >= 0) & (other.codes >= 0)
    n = int(both.sum())
    codes = [np.unique(side.codes[both], return_inverse=True)[1] for side in (one, other)]
    if n < MIN_CONFIGURATIONS or any(code.max() == 0 for code in codes):
        return 0.0
    ranks = [
        None if side.numbers is None else _centred(midranks(side.numbers[both])) for side in (one, other)
    ]
    groups = [code.max() + 1 <= n / 2 for code in codes]
    found = [0.0]
    if ranks[0] is not None and ranks[1] is not None:
        found.append(abs(float(correlations(ranks[0], ranks[1], np.ones((1, n)))[0])))
    if all(groups):
        found.append(cramers_v(*codes))
    for rank, is_grouping, code in ((ranks[0], groups[1], codes[1]), (ranks[1], groups[0], codes[0])):
        if rank is not None and is_grouping:
            found.append(float(np.sqrt(etas_squared(code, rank, np.ones((1, n)))[0])))
    return max(found)


def cramers_v(codes: Ints, others: Ints) -> float:
    """Cramér's V of two choices (n,), (n,), each with two values or more: 1 where the one with more values
    says which value the other has."""
    table = np.zeros((codes.max() + 1, others.max() + 1))
    np.add.at(table, (codes, others), 1)
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / len(codes)
    chi_squared = ((table - expected) ** 2 / expected).sum()
    return float(np.sqrt(chi_squared / (len(codes) * (min(table.shape) - 1))))


def midranks(values: Floats) -> Floats:
    """Ranks from 1; equal values share the mean of their ranks."""
    _, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    found: Floats = (last - (counts - 1) / 2)[codes]
    return found


def codes_of(values: Sequence[Value]) -> Ints:
    """The values as numbers from 0, equal ones alike."""
    places: dict[str, int] = {}
    return np.array([places.setdefault(repr(value), len(places)) for value in values], np.int64)


def _centred(values: Floats) -> Floats:
    centred: Floats = values - values.mean()
    return centred
