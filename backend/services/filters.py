"""The filter language of the runs table: `encoder == "deterministic" and accuracy/token > 0.5`.

    expression  = all ("or" all)*          all = term ("and" term)*
    term        = "not" term | "(" expression ")" | operand operator operand
    operator    = == != < <= > >= in, not in, contains
    operand     = a name, a `quoted name`, "text", 12, 1e-4, 40%, true, false, none, ["a", "b"]

Text is parsed into the small tree below and never evaluated as code. A run that lacks a value matches
no comparison but `!=`, which is exactly the opposite of `==`. A list (tags, canvas sizes) matches when
one of its items does.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NoReturn, TypeGuard

from backend.domain.errors import FieldProblem, InvalidInput

MAX_LENGTH = 2000  # characters of a filter
MAX_DEPTH = 50  # parentheses and nots inside one another

Scalar = str | int | float | bool | None
Value = Scalar | tuple[Scalar, ...]
Values = Callable[[str], Value]

_ORDER: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_OPERATORS = (*_ORDER, "==", "!=", "in", "not in", "contains")
_WORDS: dict[str, Scalar] = {"true": True, "false": False, "none": None, "null": None}
_MISTAKES = {
    "=": "Write == to compare.",
    "&": "Write and.",
    "&&": "Write and.",
    "|": "Write or.",
    "||": "Write or.",
    "!": "Write not.",
    "=~": "Write contains to look for a part of a text.",
}
_TOKEN = re.compile(
    r"""
      (?P<space>\s+)
    | (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?%?(?![\w./]))
    | (?P<quoted>`[^`]+`)
    | (?P<name>[A-Za-z_][\w./@-]*)
    | (?P<operator>==|!=|<=|>=|<|>)
    | (?P<mark>[()\[\],])
    """,
    re.VERBOSE,
)


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
    problem = FieldProblem("filter", f"column {column}: {message}", hint)
    raise InvalidInput("The filter is not valid.", problems=[problem])


def parse(text: str) -> Expression | None:
    """The tree of a filter; None when it is blank. InvalidInput says the column and what is wrong."""
    if not text.strip():
        return None
    if len(text) > MAX_LENGTH:
        invalid(MAX_LENGTH, f"the filter is longer than {MAX_LENGTH} characters.")
    return _Parser(text).parse()


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
        return isinstance(left, bool) == isinstance(right, bool) and left == right
    return _is_number(left) and _is_number(right) and _ORDER[sign](left, right)


def _overlap(left: tuple[Scalar, ...], right: Value) -> bool:
    return any(_contains(right, item) for item in left)


def _contains(whole: Value, part: Value) -> bool:
    if isinstance(whole, tuple):
        return any(_compare(item, "==", part) for item in whole)
    return isinstance(whole, str) and isinstance(part, str) and part.lower() in whole.lower()


def _is_number(value: Value) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    column: int


def _tokens(text: str) -> Iterator[_Token]:
    position = 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            _refuse(text, position)
        kind = str(found.lastgroup)
        if kind != "space":
            yield _Token(kind, found.group(), position + 1)
        position = found.end()
    yield _Token("end", "", len(text) + 1)


def _refuse(text: str, position: int) -> NoReturn:
    if text[position] in "\"'`":
        invalid(position + 1, f"the quote {text[position]} is never closed.")
    mistake = next((key for key in ("&&", "||", "=~") if text.startswith(key, position)), text[position])
    invalid(position + 1, f"{mistake!r} means nothing here.", _MISTAKES.get(mistake, ""))


class _Parser:
    """Recursive descent over the tokens of one filter."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._at = 0
        self._depth = 0

    def parse(self) -> Expression:
        expression = self._either()
        if self._here.kind != "end":
            self._fail("expected and, or, or the end of the filter")
        return expression

    @property
    def _here(self) -> _Token:
        return self._tokens[self._at]

    def _fail(self, expected: str, hint: str = "") -> NoReturn:
        found = repr(self._here.text) if self._here.text else "the end"
        invalid(self._here.column, f"{expected}, found {found}.", hint)

    def _take(self, *texts: str) -> _Token | None:
        token = self._here
        if token.kind not in ("text", "quoted", "end") and token.text.lower() in texts:
            self._at += 1
            return token
        return None

    def _either(self) -> Expression:
        parts = [self._all()]
        while self._take("or"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def _all(self) -> Expression:
        parts = [self._term()]
        while self._take("and"):
            parts.append(self._term())
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def _term(self) -> Expression:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._fail(f"parentheses and nots may go {MAX_DEPTH} deep")
        term = self._nested()
        self._depth -= 1
        return term

    def _nested(self) -> Expression:
        if self._take("not"):
            return Not(self._term())
        if not self._take("("):
            return self._comparison()
        inside = self._either()
        if not self._take(")"):
            self._fail("expected ) or and/or")
        return inside

    def _comparison(self) -> Comparison:
        left = self._operand()
        sign = self._operator(left)
        return Comparison(left, sign, self._operand(list_in_parentheses=True))

    def _operator(self, left: Operand) -> str:
        if self._take("not"):
            if self._take("in"):
                return "not in"
            self._fail("expected in after not")
        token = self._take(*_OPERATORS)
        if token is None:
            look_for = f'To look for a name write: name contains "{left.text}".' if _is_name(left) else ""
            self._fail(f"expected one of {' '.join(_OPERATORS)}", look_for)
        return token.text.lower()

    def _operand(self, list_in_parentheses: bool = False) -> Operand:
        token = self._here
        if self._take("["):
            return Literal(self._items("]"), token.column)
        if list_in_parentheses and self._take("("):
            return Literal(self._items(")"), token.column)
        if token.kind == "quoted" or (token.kind == "name" and token.text.lower() not in _WORDS):
            if token.text.lower() in ("and", "or", "not", "in", "contains"):
                self._fail("expected a name or a value")
            self._at += 1
            return Name(token.text.strip("`"), token.column)
        return Literal(self._scalar(), token.column)

    def _items(self, close: str) -> tuple[Scalar, ...]:
        items: list[Scalar] = []
        while not self._take(close):
            if items and not self._take(","):
                self._fail(f"expected , or {close}")
            items.append(self._scalar())
        return tuple(items)

    def _scalar(self) -> Scalar:
        token = self._here
        if token.kind not in ("text", "number") and token.text.lower() not in _WORDS:
            hint = f'Put text in quotes: "{token.text}".' if token.kind == "name" else ""
            self._fail("expected a value", hint)
        self._at += 1
        if token.kind == "text":
            return re.sub(r"\\(.)", r"\1", token.text[1:-1])
        return _number(token.text) if token.kind == "number" else _WORDS[token.text.lower()]


def _is_name(operand: Operand) -> TypeGuard[Name]:
    return isinstance(operand, Name)


def _number(text: str) -> int | float:
    if text.endswith("%"):
        return float(text[:-1]) / 100
    return int(text) if re.fullmatch(r"[+-]?\d+", text) else float(text)
