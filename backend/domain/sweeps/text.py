"""Values of a swept field as a person types them: `64, 128`, `[10], [20]`, `1e-4..1e-2:log`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, Literal

from backend.domain.config.messages import shown
from backend.domain.sweeps.definition import MAX_RUNS, invalid
from backend.kit import json_text
from backend.kit.errors import FieldProblem

_RANGE = re.compile(r"(?P<low>[^\s.]\S*?|\.\S+?)\s*\.\.\s*(?P<high>[^\s:]+)\s*(?P<options>(?::\s*\w+\s*)*)")
_OPTIONS = ("log", "integer")


def read_axis(kind: Literal["grid", "random"], path: str, text: str) -> Any:
    """What `text` says for a path: values, or a range `low..high[:log][:integer]`; still unchecked JSON.

    In a grid a range of whole numbers means each of them. InvalidInput says what cannot be read.
    """
    field = f"sweep.{kind}.{path}"
    found = _RANGE.fullmatch(text.strip())
    if found is None:
        return list(_values(text))
    low, high = (_number(found[end], field) for end in ("low", "high"))
    options = [each.strip() for each in found["options"].split(":") if each.strip()]
    for option in options:
        if option not in _OPTIONS:
            raise invalid(FieldProblem(field, f"unknown option {shown(option)}.", "Known: log, integer."))
    if kind == "random":
        return {"low": low, "high": high} | dict.fromkeys(options, True)
    return _each(low, high, options, field)


def _each(low: float, high: float, options: list[str], field: str) -> list[int]:
    """The whole numbers of a range in a grid."""
    if options or not (low.is_integer() and high.is_integer()):
        message = f"{low:g}..{high:g}{''.join(f':{option}' for option in options)} is no list of values."
        raise invalid(
            FieldProblem(field, message, "A range of this kind needs a random sweep; list the values.")
        )
    if high - low >= MAX_RUNS:
        message = f"{low:g}..{high:g} are {high - low + 1:,.0f} values; at most {MAX_RUNS} runs per sweep."
        raise invalid(FieldProblem(field, message, "List fewer values, or sweep at random with a count."))
    return list(range(int(low), int(high) + 1))


def _number(text: str, field: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise invalid(FieldProblem(field, f"{shown(text)} is no end of a range.", "Write it as 1e-4..1e-2."))
    return value


def _values(text: str) -> Iterator[Any]:
    """The members of a list whose commas count only outside brackets and quotes."""
    for part in _split(text):
        try:
            yield json_text.read(part)
        except (ValueError, RecursionError):  # no JSON, or an object with a key twice: text, refused as such
            yield part


def _split(text: str) -> list[str]:
    parts, depth, quoted = [""], 0, False
    for sign in text:
        quoted ^= sign == '"'
        depth += 0 if quoted else (sign in "[{") - (sign in "]}")
        if sign == "," and depth == 0 and not quoted:
            parts.append("")
        else:
            parts[-1] += sign
    return [part.strip() for part in parts if part.strip()]
