"""The filter language in SQL, as far as SQL can say exactly what `filters.matches` says.

What it cannot say raises `Unsayable`: texts in any alphabet, verdicts that are judged, one name beside
another. That part of a filter is then matched in Python, against the runs that the rest of it leaves.
No condition is ever null, so that `not` means the same here and there.
"""

from __future__ import annotations

import math
import operator
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Double,
    FromClause,
    and_,
    case,
    false,
    func,
    literal,
    not_,
    or_,
    true,
)
from sqlalchemy.orm import Session

from backend.kit.filters.tree import (
    All,
    Comparison,
    Either,
    Expression,
    Literal,
    Name,
    Not,
    Scalar,
    Value,
    matches,
    ranks,
)
from backend.people import service as accounts
from backend.run_view import configs
from backend.run_view import value_queries as rows
from backend.run_view.filter_names import (
    BUILT_IN,
    PASSES,
    config_path,
    is_config_path,
    is_explicit,
    metric_of,
)
from backend.run_view.value_queries import RUN, Condition, Narrowed

EXACT = 2**53  # the greatest whole number up to which a float has all of them
MAX_SERIES = 20  # joined to the runs
MAX_ITEMS = 100  # of a list, each of which is a condition
_ORDER: Mapping[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_MIRRORED = {"==": "==", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_TEXTS = {
    "id": RUN.id,
    "name": RUN.name,
    "status": RUN.status,
    "origin": RUN.origin,
    "variation": RUN.variation,
    "notes": RUN.notes,
    "variant": func.nullif(RUN.variant, ""),
    "encoder": func.nullif(RUN.variant, ""),
    "verdict": func.nullif(RUN.verdict, ""),
    "project": func.nullif(RUN.project, ""),
}
_NUMBERS = {
    "seed": RUN.seed,
    "step": RUN.step,
    "created": RUN.created_at,
    "started": RUN.started_at,
    "finished": RUN.finished_at,
}


class Unsayable(Exception):
    """SQL has no such condition or order, or one that means something else."""


@dataclass(frozen=True)
class Number:
    """A number of every run; null where it is NaN, or where there is none."""

    value: ColumnElement[Any]
    is_there: Condition
    is_nan: Condition = field(default_factory=false)


class InSql:
    """Narrows `runs` by filters, and says orders of them."""

    def __init__(self, session: Session, runs: Narrowed) -> None:
        self._session = session
        self._now = time.time()
        self._configs: dict[str, Mapping[str, Value] | None] = {}
        self.runs = runs

    def narrow(self, expression: Expression | None) -> Expression | None:
        """Leave the runs that match, as far as SQL can say it; what of the filter is left to be matched."""
        parts = expression.parts if isinstance(expression, All) else (expression,) if expression else ()
        left: list[Expression] = []
        for part in parts:
            if isinstance(part, All):
                left += [rest] if (rest := self.narrow(part)) else []
                continue
            try:
                self.runs.where.append(self._condition(part))
            except Unsayable:
                left.append(part)
        return All(tuple(left)) if left else None

    def order(self, name: str, falling: bool) -> list[ColumnElement[Any]]:
        """The order by a number or a field of the config, as `in_order` has it. Unsayable for other texts."""
        if is_config_name(name) or (is_metric_or_external(name) and self._is_in_configs(name)):
            if not is_config_name(name) and rows.has_series(self._session, metric_of(name)[0]):
                raise Unsayable
            places = ranks(self._in_configs(name), falling)
            place = self.runs.ranked(places, rows.is_sqlite(self._session))
            return [func.coalesce(place, len(places))]
        number = self._number(name)
        last = case((not_(number.is_there), 2), (number.is_nan, 1), else_=0)
        return [last, number.value.desc() if falling else number.value.asc()]

    def number(self, name: str) -> Number:
        """A number of every run. Unsayable for what is none, and where a config may have it."""
        if is_config_name(name) or (is_metric_or_external(name) and self._is_in_configs(name)):
            raise Unsayable
        return self._number(name)

    def _condition(self, expression: Expression) -> Condition:
        match expression:
            case Not(part):
                return not_(self._condition(part))
            case All(parts):
                return and_(true(), *map(self._condition, parts))
            case Either(parts):
                return or_(false(), *map(self._condition, parts))
        return self._comparison(expression)

    def _comparison(self, item: Comparison) -> Condition:
        left, sign, right = item.left, item.operator, item.right
        if sign in ("!=", "not in"):
            return not_(self._comparison(Comparison(left, "==" if sign == "!=" else "in", right)))
        if isinstance(left, Literal) and isinstance(right, Literal):
            return true() if matches(item, lambda _: None) else false()
        name = left if isinstance(left, Name) else right
        if not isinstance(name, Name) or (isinstance(left, Name) and isinstance(right, Name)):
            raise Unsayable
        if name.text == "owner":
            return self._by_owner(item)
        if is_config_name(name.text):
            return self._by_configuration(item, self._in_configs(name.text))
        if not is_metric_or_external(name.text) or not self._is_in_configs(name.text):
            return self._with_value(item)
        in_config = self._by_configuration(item, self._in_configs(name.text), also=_matches(item, None))
        metric = metric_of(name.text)[0]
        if not rows.has_series(self._session, metric):
            return in_config
        has = self._beside(metric).c.run_id.is_not(None)  # a run's series comes before its config
        return case((has, self._with_value(item)), else_=in_config)

    def _with_value(self, item: Comparison) -> Condition:
        """A comparison of a name and a value."""
        left, sign, right = item.left, item.operator, item.right
        if isinstance(left, Name) and isinstance(right, Literal):
            if sign == "in":
                if not isinstance(right.value, tuple):
                    raise Unsayable
                sign = "=="
            return self._any(left.text, sign, right.value)
        if isinstance(left, Literal) and isinstance(right, Name):
            if sign == "in":
                return self._any(right.text, "contains", left.value)
            if sign in _MIRRORED:
                return self._any(right.text, _MIRRORED[sign], left.value)
        raise Unsayable

    def _any(self, name: str, sign: str, value: Value) -> Condition:
        """Whether the comparison is true of any of the values."""
        if not isinstance(value, tuple):
            return self._compared(name, sign, value)
        if len(value) > MAX_ITEMS or (sign == "contains" and name in _TEXTS):
            raise Unsayable
        return or_(false(), *(self._compared(name, sign, each) for each in value))

    def _compared(self, name: str, sign: str, value: Scalar) -> Condition:
        if name == "archived":
            return _flag(RUN.archived_at.is_not(None), sign, value)
        if name in _TEXTS:
            return self._text(_TEXTS[name], sign, value)
        if name in ("tag", "alarm", "group"):
            return self._member(name, sign, value)
        return _number(self._number(name), sign, value)

    def _text(self, column: ColumnElement[Any], sign: str, value: Scalar) -> Condition:
        if value is None and sign == "==":
            return column.is_(None)
        if not isinstance(value, str) or sign not in ("==", "contains"):
            return false()
        _check_text(value)
        if sign == "==":
            return _sure(column == value)
        if not value.isascii():
            raise Unsayable
        # The only other letters whose small ones are, or have in them, a letter of ASCII.
        plain: ColumnElement[Any] = func.replace(func.replace(column, "\u0130", "i\u0307"), "\u212a", "k")
        if not rows.is_sqlite(self._session):
            plain = plain.collate("C")  # another may have small letters of its own
        return _sure(func.lower(plain).contains(value.lower(), autoescape=True))

    def _member(self, name: str, sign: str, value: Scalar) -> Condition:
        """A comparison with any of several texts."""
        if value is None and name == "group" and sign == "==":
            return RUN.group_id.is_(None)
        if not isinstance(value, str) or sign not in ("==", "contains"):
            return false()
        _check_text(value)
        if name == "tag":
            return rows.tagged(self._session, value)
        return rows.with_alarm(value) if name == "alarm" else _sure(rows.in_group(value))

    def _by_owner(self, item: Comparison) -> Condition:
        people = accounts.names(self._session)
        owned = _sure(RUN.owner_id.in_([key for key, value in people.items() if _matches(item, value)]))
        return or_(owned, RUN.owner_id.is_(None)) if _matches(item, None) else owned

    def _in_configs(self, name: str) -> Mapping[str, Value]:
        """Configuration -> what it has under a name, of a script's that of a metric too."""
        if is_explicit(name):
            return {}
        if name not in self._configs:
            self._configs[name] = configs.by_configuration(self._session, config_path(name))
        values = self._configs[name]
        if values is None:
            raise Unsayable
        return values

    def _is_in_configs(self, name: str) -> bool:
        return any(value is not None for value in self._in_configs(name).values())

    def _by_configuration(
        self, item: Comparison, values: Mapping[str, Value], also: bool = False
    ) -> Condition:
        """The comparison, matched once for each configuration; `also`: whether all others match."""
        answers: dict[Any, bool] = {}
        keys = []
        for key, value in values.items():
            kind = (type(value), value) if not isinstance(value, tuple) else (*map(type, value), value)
            if kind not in answers:
                answers[kind] = _matches(item, value)
            if answers[kind] is not also:
                keys.append(key)
        found = rows.among(self._session, RUN.variation, keys)
        return not_(found) if also else found

    def _number(self, name: str) -> Number:
        if name in _NUMBERS:
            return Number(_NUMBERS[name], _NUMBERS[name].is_not(None))
        if name == "archived":
            return Number(case((RUN.archived_at.is_(None), 0), else_=1), true())
        if name == "duration":
            end = func.coalesce(func.nullif(rows.COLUMNS["stopped"], 0.0), literal(self._now, Double()))
            seconds = end - RUN.started_at
            return Number(
                case((RUN.started_at.is_(None), None), (seconds > 0, seconds), else_=0.0),
                RUN.started_at.is_not(None),
            )
        if name in PASSES:
            place = str(PASSES[name])
            solved, n = (RUN.scores[(place, at)].as_float() for at in (0, 1))
            share = solved * literal(1.0, Double()) / func.nullif(n, 0.0)
            return Number(share, share.is_not(None))
        if not is_metric_or_external(name):
            raise Unsayable
        return self._metric(name)

    def _beside(self, metric: str) -> FromClause:
        if len(self.runs.series) >= MAX_SERIES and metric not in self.runs.series:
            raise Unsayable
        return self.runs.beside(metric)

    def _metric(self, name: str) -> Number:
        metric, summary = metric_of(name)
        series = self._beside(metric)
        value = series.c[rows.SUMMARIES[summary]]
        has = series.c.run_id.is_not(None)
        if summary == "last":
            return Number(value, has, and_(has, value.is_(None)))
        return Number(value, value.is_not(None))


def is_metric_or_external(name: str) -> bool:
    return not is_config_path(name) and name not in BUILT_IN


def is_config_name(name: str) -> bool:
    return is_config_path(name) and (name == "model" or name not in BUILT_IN)


def _matches(item: Comparison, value: Value) -> bool:
    return matches(item, lambda _: value)


def _flag(column: Condition, sign: str, value: Scalar) -> Condition:
    if sign != "==" or not isinstance(value, bool):
        return false()
    return column if value else not_(column)


def _number(number: Number, sign: str, value: Scalar) -> Condition:
    if sign == "contains" or isinstance(value, str | bool):
        return false()
    if value is None:
        return not_(number.is_there) if sign == "==" else false()
    if math.isnan(value):
        return number.is_nan if sign == "==" else false()
    if isinstance(value, int) and abs(value) > EXACT:
        raise Unsayable
    other = literal(value, BigInteger() if isinstance(value, int) else Double())
    return _sure(_ORDER[sign](number.value, other))


def _check_text(value: str) -> None:
    """Unsayable for what no column holds: it would be written another way, and then be found."""
    if "\x00" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
        raise Unsayable


def _sure(condition: ColumnElement[Any]) -> Condition:
    """False where it is null; and no reason for SQLite to go through the runs by another index."""
    return func.coalesce(condition, false())
