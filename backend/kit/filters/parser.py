"""Read the filter language of the runs table: `encoder == "deterministic" and accuracy/token > 0.5`.

    expression  = all ("or" all)*          all = term ("and" term)*
    term        = "not" term | "(" expression ")" | operand operator operand | word+
    operator    = == != < <= > >= in, not in, contains
    operand     = a name, a `quoted name`, metric("name"), "text", 12, 1e-4, 40%, NaN, -Infinity, true, false,
                  none, ["a", "b"]
    word        = a name, a "text" or a number without an operator, where the caller says what these look for

Text becomes the small tree of `filters` and is never evaluated as code.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NoReturn

from backend.kit.filters.tree import (
    All,
    Comparison,
    Either,
    Expression,
    Literal,
    Name,
    Not,
    Operand,
    Scalar,
    invalid,
)
from backend.kit.tokens import METRIC, NAME, QUOTED, Token, tokens

MAX_LENGTH = 2000  # characters of a filter
MAX_DEPTH = 50  # parentheses and nots inside one another
MAX_WORDS = 20  # without an operator, one after another

OPERATORS = ("<", "<=", ">", ">=", "==", "!=", "in", "not in", "contains")
_WORDS: dict[str, Scalar] = {"true": True, "false": False, "none": None, "null": None}
_RESERVED = (*_WORDS, *OPERATORS, "and", "or", "not")
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
    rf"""
      (?P<space>\s+)
    | (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?%?(?![\w./]))
    | (?P<number_word>[+-]?(?:nan|infinity)(?![\w./@:(-]))
    | (?P<metric>{METRIC})
    | (?P<quoted>{QUOTED})
    | (?P<name>{NAME})
    | (?P<operator>==|!=|<=|>=|<|>)
    | (?P<mark>[()\[\],])
    """,
    re.VERBOSE | re.IGNORECASE,
)


# What a word without an operator looks for, by its text, its column and whether it is the first of several;
# None where it lacks its operator.
Meaning = Callable[[str, int, bool], Expression | None]


def parse(text: str, meaning: Meaning = lambda text, column, is_first: None) -> Expression | None:
    """The tree of a filter; None when it is blank. InvalidInput says the column and what is wrong."""
    if not text.strip():
        return None
    if len(text) > MAX_LENGTH:
        invalid(MAX_LENGTH, f"the filter is longer than {MAX_LENGTH} characters.")
    return _Parser(text, meaning).parse()


def _refuse(text: str, position: int) -> NoReturn:
    if text[position] in "\"'`":
        invalid(position + 1, f"the quote {text[position]} is never closed.")
    mistake = next((key for key in ("&&", "||", "=~") if text.startswith(key, position)), text[position])
    hint = "Put text in quotes." if mistake.isalnum() else ""
    invalid(position + 1, f"{mistake!r} means nothing here.", _MISTAKES.get(mistake, hint))


class _Parser:
    """Recursive descent over the tokens of one filter."""

    def __init__(self, text: str, meaning: Meaning) -> None:
        self._tokens = tokens(_TOKEN, text, _refuse)
        self._meaning = meaning
        self._at = 0
        self._depth = 0

    def parse(self) -> Expression:
        expression = self._either()
        if self._here.kind != "end":
            self._fail("expected and, or, or the end of the filter")
        return expression

    @property
    def _here(self) -> Token:
        return self._tokens[self._at]

    def _fail(self, expected: str, hint: str = "") -> NoReturn:
        invalid(self._here.column, f"{expected}, found {self._here.as_found}.", hint)

    def _take(self, *texts: str) -> Token | None:
        token = self._here
        if token.kind not in ("text", "quoted", "metric", "end") and token.text.lower() in texts:
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
            return self._words() or self._comparison()
        inside = self._either()
        if not self._take(")"):
            self._fail("expected ) or and/or")
        return inside

    def _words(self) -> Expression | None:
        """What the words from here on look for, all of them together; None where no word stands alone."""
        parts: list[Expression] = []
        while self._stands_alone() and (part := self._meaning(*self._word, not parts)):
            if len(parts) == MAX_WORDS:
                self._fail(f"at most {MAX_WORDS} words are looked for")
            parts.append(part)
            self._at += 1
        return parts[0] if len(parts) == 1 else All(tuple(parts)) if parts else None

    @property
    def _word(self) -> tuple[str, int]:
        return _plain(self._here), self._here.column

    def _stands_alone(self) -> bool:
        """Whether here is a word, and no operator after it."""
        token = self._here
        if token.kind not in ("name", "text", "number") or token.text.lower() in _RESERVED:
            return False
        following = self._tokens[self._at + 1]
        if following.kind in ("end", "text", "number"):
            return True
        word = following.text.lower()
        return word == ")" or (following.kind == "name" and word not in ("in", "contains", "not"))

    def _comparison(self) -> Comparison:
        left = self._operand()
        sign = self._operator(left)
        return Comparison(left, sign, self._operand(list_in_parentheses=True))

    def _operator(self, left: Operand) -> str:
        if self._take("not"):
            if self._take("in"):
                return "not in"
            self._fail("expected in after not")
        token = self._take(*OPERATORS)
        if token is None:
            look_for = (
                f'To look for a name write: name contains "{left.text}".' if isinstance(left, Name) else ""
            )
            self._fail(f"expected one of {' '.join(OPERATORS)}", look_for)
        return token.text.lower()

    def _operand(self, list_in_parentheses: bool = False) -> Operand:
        token = self._here
        if self._take("["):
            return Literal(self._items("]"), token.column)
        if list_in_parentheses and self._take("("):
            return Literal(self._items(")"), token.column)
        if token.kind in ("quoted", "metric") or (token.kind == "name" and token.text.lower() not in _WORDS):
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
        if token.kind not in ("text", "number", "number_word") and token.text.lower() not in _WORDS:
            hint = f'Put text in quotes: "{token.text}".' if token.kind == "name" else ""
            self._fail("expected a value", hint)
        self._at += 1
        if token.kind == "text":
            return _plain(token)
        if token.kind == "number_word":
            return float(token.text)
        return _number(token.text) if token.kind == "number" else _WORDS[token.text.lower()]


def _plain(token: Token) -> str:
    """The text of a token, without the quotes of one that has them."""
    return re.sub(r"\\(.)", r"\1", token.text[1:-1]) if token.kind == "text" else token.text


def _number(text: str) -> int | float:
    if text.endswith("%"):
        return float(text[:-1]) / 100
    return int(text) if re.fullmatch(r"[+-]?\d+", text) else float(text)
