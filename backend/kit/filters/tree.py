"""The tree of a filter, and whether a run matches it. `parser` reads its text.

A run that lacks a value matches no comparison but `!=`, which is exactly the opposite of `==`. A list (tags,
canvas sizes) matches when one of its items does.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn, TypeGuard, TypeVar

from backend.kit import problems

Scalar = str | int | float | bool | None
Value = Scalar | tuple[Scalar, ...]
Values = Callable[[str], Value]
Item = TypeVar("Item")
Key = TypeVar("Key")

_ORDER: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True)
class Name:
    """Something of a run that is looked up; `column` counts from 1."""

    text: str
    column: int


@dataclass(frozen=True)
class Literal:
    """A value written in the filter."""

    value: Value
    column: int


Operand = Name | Literal


@dataclass(frozen=True)
class Comparison:
    """`left operator right`."""

    left: Operand
    operator: str
    right: Operand


@dataclass(frozen=True)
class Not:
    """The opposite of `part`."""

    part: Expression


@dataclass(frozen=True)
class All:
    """Every one of `parts`."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True)
class Either:
    """At least one of `parts`."""

    parts: tuple[Expression, ...]


Expression = Comparison | Not | All | Either


def invalid(column: int, message: str, hint: str = "") -> NoReturn:
    """Refuse the filter because of what stands at `column`."""
    raise problems.invalid("The filter is not valid.", "filter", f"column {column}: {message}", hint)


def matches(expression: Expression, values: Values) -> bool:
    """Whether a run matches; `values(name)` gives what it has under a name, None where it has nothing."""
    match expression:
        case Not(part):
            return not matches(part, values)
        case All(parts):
            return all(matches(part, values) for part in parts)
        case Either(parts):
            return any(matches(part, values) for part in parts)
    left, right = _value(expression.left, values), _value(expression.right, values)
    return _compare(left, expression.operator, right)


def comparisons(expression: Expression) -> Iterator[Comparison]:
    """Every comparison in the tree, from left to right."""
    match expression:
        case Comparison():
            yield expression
        case Not(part):
            yield from comparisons(part)
        case All(parts) | Either(parts):
            for part in parts:
                yield from comparisons(part)


def names(expression: Expression) -> list[Name]:
    """Every name in the tree, from left to right."""
    sides = (side for item in comparisons(expression) for side in (item.left, item.right))
    return [side for side in sides if isinstance(side, Name)]


def in_order(pairs: Sequence[tuple[Value, Item]], falling: bool) -> list[Item]:
    """The items by their values; whatever the direction, those that are NaN come after all others, and those
    without a value last."""
    having = [(order, item) for value, item in pairs if (order := order_of(value)) is not None]
    having.sort(key=lambda pair: pair[0], reverse=falling)
    nan = [item for value, item in pairs if _is_nan(value)]
    return [item for _, item in having] + nan + [item for value, item in pairs if value is None]


def ranks(values: Mapping[Key, Value], falling: bool) -> dict[Key, int]:
    """Where the values stand in that order, equal ones in the same place; without those that are None."""
    orders = {key: order_of(value) for key, value in values.items() if value is not None}
    places = sorted({order for order in orders.values() if order is not None}, reverse=falling)
    place = {order: at for at, order in enumerate(places)}
    return {key: len(place) if order is None else place[order] for key, order in orders.items()}


def order_of(value: Value) -> tuple[int, float, str] | None:
    """Numbers before texts; a list by its first item. None where there is nothing to order by."""
    if value is None or _is_nan(value):
        return None
    first = value[0] if isinstance(value, tuple) and value else value
    if isinstance(first, int | float):
        return 0, float(first), ""
    return 1, 0.0, str(first).lower()


def is_number(value: Value) -> TypeGuard[float]:
    """Whether a value is a number: true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def finite(value: Value) -> float | None:
    """A value as a finite number; None for every other."""
    return float(value) if is_number(value) and math.isfinite(value) else None


def _value(operand: Operand, values: Values) -> Value:
    return values(operand.text) if isinstance(operand, Name) else operand.value


def _compare(left: Value, sign: str, right: Value) -> bool:
    if sign == "!=":
        return not _compare(left, "==", right)
    if sign == "not in":
        return not _compare(left, "in", right)
    if sign == "in":
        return _compare(right, "contains", left) if not isinstance(left, tuple) else _overlap(left, right)
    if sign == "contains":
        return _contains(left, right)
    if isinstance(left, tuple):
        return any(_compare(item, sign, right) for item in left)
    if isinstance(right, tuple):
        return any(_compare(left, sign, item) for item in right)
    if sign == "==":
        if _is_nan(left) or _is_nan(right):  # here NaN is a value like any other, and equals itself
            return _is_nan(left) and _is_nan(right)
        return isinstance(left, bool) == isinstance(right, bool) and left == right
    return is_number(left) and is_number(right) and _ORDER[sign](left, right)


def _overlap(left: tuple[Scalar, ...], right: Value) -> bool:
    return any(_contains(right, item) for item in left)


def _contains(whole: Value, part: Value) -> bool:
    if isinstance(whole, tuple):
        return any(_compare(item, "==", part) for item in whole)
    return isinstance(whole, str) and isinstance(part, str) and part.lower() in whole.lower()


def _is_nan(value: Value) -> bool:
    return isinstance(value, float) and math.isnan(value)
