"""Read expressions over named values: `train - heldout`, `log(max(loss, 1e-6)) / 2`.

    expression  = product (("+" | "-") product)*        product = signed (("*" | "/") signed)*
    signed      = ("+" | "-") signed | atom
    atom        = 12 | 1e-4 | name | `quoted name` | metric("name") | "(" expression ")"
                | function "(" expression ("," expression)* ")"
    function    = abs, log (natural): of one expression; min, max: of two or more

A name is written as in a filter, and `/` and `-` may be part of it: `accuracy/token` is one name. So between
names these two need a space: `train - heldout`, `loss / 2`. Text becomes a small tree and is never evaluated
as code.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import NoReturn

from backend.kit import problems
from backend.kit.problems import did_you_mean
from backend.kit.tokens import METRIC, NAME, QUOTED, Token, tokens

MAX_LENGTH = 500  # characters
MAX_DEPTH = 30  # parentheses, signs and functions inside one another
MAX_NAMES = 8  # different ones: each is a series to be read
LISTED = 12  # names in the message about an unknown one

ONE, MANY = ("abs", "log"), ("min", "max")
FUNCTIONS = (*ONE, *MANY)
_TOKEN = re.compile(
    rf"""
      (?P<space>\s+)
    | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))
    | (?P<metric>{METRIC})
    | (?P<quoted>{QUOTED})
    | (?P<name>{NAME})
    | (?P<mark>[-+*/(),])
    """,
    re.VERBOSE | re.IGNORECASE,
)
_LOOKS_LIKE_ONE = re.compile(r"[+*(`]|^\s*[-.\d]|\s[-/]|[-/]\s")
_MISTAKES = {
    "^": "Powers are not supported: multiply, x * x.",
    "%": "Write a share as a number: 0.4.",
    "=": "An expression gives a number; comparisons belong into a filter.",
    "<": "An expression gives a number; comparisons belong into a filter.",
    ">": "An expression gives a number; comparisons belong into a filter.",
    '"': "Put an unusual name in backticks.",
}


@dataclass(frozen=True)
class Number:
    """A number that is written out."""

    value: float


@dataclass(frozen=True)
class Name:
    """A value that is looked up; `column` counts from 1."""

    text: str
    column: int


@dataclass(frozen=True)
class Negative:
    """The opposite of `part`."""

    part: Expression


@dataclass(frozen=True)
class Operation:
    """`left sign right`, where sign is one of + - * /."""

    sign: str
    left: Expression
    right: Expression


@dataclass(frozen=True)
class Call:
    """One of `FUNCTIONS` of its parts."""

    function: str
    parts: tuple[Expression, ...]


Expression = Number | Name | Negative | Operation | Call


def looks_like_one(text: str) -> bool:
    """Whether a text that is no known name is meant as an expression rather than as a name."""
    return _LOOKS_LIKE_ONE.search(text) is not None


def parse(text: str) -> Expression:
    """The tree of an expression. InvalidInput says the column and what is wrong."""
    if len(text) > MAX_LENGTH:
        invalid(MAX_LENGTH, f"the expression is longer than {MAX_LENGTH} characters.")
    tree = _Parser(text).parse()
    listed = names(tree)
    if not listed:
        invalid(1, "the expression names nothing that a run has.", "Write for example: train - heldout.")
    if len(listed) > MAX_NAMES:
        invalid(1, f"the expression has {len(listed)} names; {MAX_NAMES} at most.")
    return tree


def names(tree: Expression) -> list[str]:
    """Every name in the tree once, from left to right."""
    return list(dict.fromkeys(name.text for name in named(tree)))


def check_names(tree: Expression, known: Collection[str], lacking: str) -> None:
    """InvalidInput for the first name that is not among `known`; it says `lacking`, for example "No run has",
    and the name."""
    for name in named(tree):
        if name.text not in known:
            invalid(name.column, f"{lacking} {name.text!r}.", _meant(name.text, known))


def invalid(column: int, message: str, hint: str = "") -> NoReturn:
    """Refuse the expression because of what stands at `column`."""
    raise problems.invalid("The expression is not valid.", "expression", f"column {column}: {message}", hint)


def _meant(name: str, known: Collection[str]) -> str:
    parts = [part for part in re.split(r"[-/]", name) if part]
    if parts != [name] and all(part in known or re.fullmatch(r"[\d.]+", part) for part in parts):
        spaced = re.sub("([-/])", r" \1 ", name).strip()
        return f"Put spaces around the sign: {spaced}."
    listed = sorted(known)
    more = ", …" if len(listed) > LISTED else ""
    otherwise = f"There are {', '.join(listed[:LISTED])}{more}." if listed else ""
    return did_you_mean(name, known, otherwise, most=2)


def named(tree: Expression) -> Iterator[Name]:
    """Every place of the tree where a name stands, from left to right."""
    match tree:
        case Name():
            yield tree
        case Negative(part):
            yield from named(part)
        case Operation(_, left, right):
            yield from named(left)
            yield from named(right)
        case Call(_, parts):
            for part in parts:
                yield from named(part)


def _refuse(text: str, position: int) -> NoReturn:
    letter = text[position]
    if letter == "`":
        invalid(position + 1, "the quote ` is never closed.")
    invalid(position + 1, f"{letter!r} means nothing here.", _MISTAKES.get(letter, ""))


class _Parser:
    """Recursive descent over the tokens of one expression."""

    def __init__(self, text: str) -> None:
        self._tokens = tokens(_TOKEN, text, _refuse)
        self._at = 0
        self._depth = 0

    def parse(self) -> Expression:
        tree = self._sum()
        if self._here.kind != "end":
            self._fail("expected + - * / or the end of the expression")
        return tree

    @property
    def _here(self) -> Token:
        return self._tokens[self._at]

    def _fail(self, expected: str) -> NoReturn:
        invalid(self._here.column, f"{expected}, found {self._here.as_found}.")

    def _take(self, *marks: str) -> Token | None:
        token = self._here
        if token.kind == "mark" and token.text in marks:
            self._at += 1
            return token
        return None

    def _sum(self) -> Expression:
        tree = self._product()
        while sign := self._take("+", "-"):
            tree = Operation(sign.text, tree, self._product())
        return tree

    def _product(self) -> Expression:
        tree = self._signed()
        while sign := self._take("*", "/"):
            tree = Operation(sign.text, tree, self._signed())
        return tree

    def _signed(self) -> Expression:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._fail(f"parentheses and signs may go {MAX_DEPTH} deep")
        if self._take("-"):
            tree: Expression = Negative(self._signed())
        else:
            tree = self._signed() if self._take("+") else self._atom()
        self._depth -= 1
        return tree

    def _atom(self) -> Expression:
        token = self._here
        if self._take("("):
            tree = self._sum()
            self._close()
            return tree
        if token.kind not in ("number", "name", "quoted", "metric"):
            self._fail("expected a number, a name or (")
        self._at += 1
        if token.kind == "number":
            return Number(float(token.text))
        if token.kind == "name" and self._take("("):
            return self._call(token)
        return Name(token.text.strip("`"), token.column)

    def _call(self, function: Token) -> Call:
        name = function.text.lower()
        if name not in FUNCTIONS:
            hint = did_you_mean(name, FUNCTIONS, f"There are {', '.join(FUNCTIONS)}.")
            invalid(function.column, f"{function.text!r} is not a function.", hint)
        parts = [self._sum()]
        while self._take(","):
            parts.append(self._sum())
        self._close()
        if name in ONE and len(parts) > 1:
            invalid(function.column, f"{name} takes one expression, not {len(parts)}.")
        if name in MANY and len(parts) < 2:
            invalid(function.column, f"{name} takes two expressions or more.")
        return Call(name, tuple(parts))

    def _close(self) -> None:
        if not self._take(")"):
            self._fail("expected )")
