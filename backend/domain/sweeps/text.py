"""Values of a swept field as a person types them: `64, 128`, `[10], [20]`, `1e-4..1e-2:log`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from typing import Any, Literal

from backend.domain.config.messages import shown
from backend.domain.sweeps.definition import MAX_RUNS, invalid
from backend.kit import json_text
from backend.kit.errors import FieldProblem

_RANGE = re.compile(
    r"(?P<low>[^\s.]\S*?|\.\S+?)\s*\.\.\s*(?P<high>[^\s:]+)\s*"
    r"(?P<options>(?::\s*\w+\s*(?:=\s*[^\s:]+\s*)?)*)"
)
_OPTIONS = ("log", "integer")


def read_axis(kind: Literal["grid", "random"], path: str, text: str) -> Any:
    """What `text` says for a path: values, or a range `low..high[:log][:step=n][:integer]`; unchecked JSON.

    In a grid a range of whole numbers means each of them. InvalidInput says what cannot be read.
    """
    field = f"sweep.{kind}.{path}"
    found = _RANGE.fullmatch(text.strip())
    if found is None:
        return list(_values(text))
    low, high = (_number(found[end], field) for end in ("low", "high"))
    options = [each.strip() for each in found["options"].split(":") if each.strip()]
    axis: dict[str, Any] = {"low": low, "high": high}
    for option in options:
        name, _, value = (part.strip() for part in option.partition("="))
        if name == "step":
            axis["step"] = _number(value, field, "no step")
        elif option in _OPTIONS:
            axis[option] = True
        else:
            known = "Known: log, step=NUMBER, integer."
            raise invalid(FieldProblem(field, f"unknown option {shown(option)}.", known))
    if kind == "random":
        return axis
    return _each(low, high, options, field)


def read_axes(kind: Literal["grid", "random"], option: str, written: Iterable[str] | None) -> dict[str, Any]:
    """Path -> values or range, of every use of a command's option, each written PATH=VALUES."""
    axes: dict[str, Any] = {}
    for text in written or []:
        path, equals, values = text.partition("=")
        path, message = path.strip(), ""
        if not equals or not path:
            message = f"'{text}' gives a field no values."
        elif path in axes:
            message = f"{path} is given twice."
        if message:
            raise invalid(FieldProblem(option, message, "Write each field once: PATH=VALUE,VALUE."))
        axes[path] = read_axis(kind, path, values)
    return axes


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


def _number(text: str, field: str, wrong: str = "no end") -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        hint = "Write it as 1e-4..1e-2 or 32..256:step=32."
        raise invalid(FieldProblem(field, f"{shown(text)} is {wrong} of a range.", hint))
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
