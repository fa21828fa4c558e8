"""What scripts log, as JSON holds it: numbers, names, configs, grids."""

from __future__ import annotations

import json
import math
import operator
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import Any

from etrm_lab.output import tell_once

MAX_NAME = 200  # characters of a metric's name, as the lab takes them
MAX_DEPTH, MAX_BYTES = 28, 250_000  # of a config; the lab takes a little more
MAX_SIDE, COLOURS = 30, 10  # of a grid
MAX_LINE = 20_000  # characters of a text in the log, as the lab takes them
_NO_NAME = re.compile("[,`\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_BREAKS = re.compile("[\t\n\r]+")
_NO_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def number_of(value: Any) -> float | int | None:
    """A number for what is one: Python's, NumPy's, a tensor of one element. None for anything else."""
    if isinstance(value, float):
        return float(value)
    if isinstance(value, int) and -(2**53) < value < 2**53:
        return int(value)
    if isinstance(value, str | bytes):
        return None
    try:
        plain = value.item() if hasattr(value, "item") else value
        return float(plain) if hasattr(plain, "__float__") else None
    except (TypeError, ValueError, RuntimeError, OverflowError):  # a tensor of several elements
        return None


def sayable(value: float | None) -> float | str | None:
    """A number as JSON holds it: what is not finite is a text."""
    if value is None or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def flattened(values: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(name, value) of every leaf; the names of nested mappings are joined by /."""
    for name, value in values.items():
        whole = f"{prefix}{name}"
        if isinstance(value, Mapping):
            yield from flattened(value, f"{whole}/")
        else:
            yield whole, value


def metric_name(name: str) -> str:
    """The name, if the lab takes it; else the nearest that it takes, which is told once."""
    clean = _NO_NAME.sub("_", name).strip()[:MAX_NAME].strip() or "_"
    clean = "".join(mark if mark.isprintable() else "_" for mark in clean)
    if clean != name:
        tell_once(
            f"the metric {name[:40]!r} is logged as {clean[:40]!r}: a name has 1 to {MAX_NAME} characters, "
            "no commas and no line breaks."
        )
    return clean


def text_of(value: Any, most: int = MAX_LINE) -> str:
    """Text without control characters, cut to `most` characters."""
    return _NO_TEXT.sub("\ufffd", str(value))[:most]


def parts_of_text(value: Any) -> Iterator[str]:
    """Text without control characters, in parts that the log takes: at line breaks, where there are any."""
    text = text_of(value, sys.maxsize)
    while len(text) > MAX_LINE:
        end = text.rfind("\n", 1, MAX_LINE + 1)
        yield text[: end if end > 0 else MAX_LINE]
        text = text[end + 1 if end > 0 else MAX_LINE :]
    yield text


def one_line(value: Any, most: int) -> str:
    """Text on one line."""
    return " ".join(text_of(value, most).split())


def config_of(config: Any) -> dict[str, Any]:
    """A config as JSON: of a mapping, a namespace, a dataclass, a pydantic model or an object's attributes.

    TypeError for something else; ValueError for what is too deep or too large. A value that JSON does not
    have is kept as its text, which is told once.
    """
    if config is None:
        return {}
    found = _members(config)
    if found is None:
        found = _attributes(config)
    made = {_key(name): _json_of(value, f"config.{name}", 1) for name, value in found.items()}
    size = len(json.dumps(made, ensure_ascii=False).encode(errors="replace"))
    if size > MAX_BYTES:
        raise ValueError(f"config has {size:,} bytes as JSON; the lab keeps {MAX_BYTES:,}.")
    return made


def _members(value: Any) -> Mapping[Any, Any] | None:
    if isinstance(value, Mapping):
        return value
    if hasattr(value, "model_dump") and not isinstance(value, type):
        dumped: Mapping[Any, Any] = value.model_dump()
        return dumped
    if hasattr(value, "__dataclass_fields__") and not isinstance(value, type):
        names = value.__dataclass_fields__  # arguments of its making alone, InitVar, are among them
        return {name: getattr(value, name) for name in names if hasattr(value, name)}
    if type(value).__name__ in ("Namespace", "SimpleNamespace"):
        attributes: dict[str, Any] = vars(value)
        return attributes
    return None


def _attributes(config: Any) -> Mapping[str, Any]:
    """The public attributes of an object that is used as a config; TypeError for what has none."""
    if isinstance(config, type | Sequence | Set) or not hasattr(config, "__dict__"):
        raise TypeError(f"config must be a dict or something like one, not {type(config).__name__}.")
    return {name: value for name, value in vars(config).items() if not name.startswith("_")}


def _key(name: Any) -> str:
    return _BREAKS.sub(" ", text_of(name))


def _whole(value: Any) -> int | None:
    """A whole number for what is one, Python's, NumPy's or a tensor's; None for anything else."""
    try:
        return operator.index(value)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        return None


def _json_of(value: Any, path: str, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise ValueError(f"{path} is nested too deeply: at most {MAX_DEPTH} levels.")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        if len(value) > MAX_LINE:
            tell_once(f"{path} is cut to {MAX_LINE:,} characters.")
        return text_of(value)
    if isinstance(value, float):
        return sayable(float(value))
    if (whole := _whole(value)) is not None:
        return whole if abs(whole) < 2**63 else str(whole)  # a seed of 64 bits keeps its digits
    if (members := _members(value)) is not None:
        return {_key(name): _json_of(each, f"{path}.{name}", depth + 1) for name, each in members.items()}
    if isinstance(value, Sequence | Set) and not isinstance(value, bytes):
        return [_json_of(each, f"{path}.{at}", depth + 1) for at, each in enumerate(value)]
    if (number := number_of(value)) is not None:
        return _json_of(number, path, depth)
    if not hasattr(value, "__fspath__") and type(value).__module__ != "enum":
        tell_once(f"{path} is no JSON value ({type(value).__name__}); its text is kept.")
    return text_of(value, 1000)


def digits_of(grid: Any) -> str | None:
    """Rows of digits joined by /, of a grid as lists, array, tensor or digits; None for what is no grid."""
    if isinstance(grid, str):
        return grid if re.fullmatch(r"([0-9]+(/[0-9]+)*)?", grid) and _fits(grid.split("/")) else None
    try:
        if any(side > MAX_SIDE for side in getattr(grid, "shape", ())):
            return None  # before its numbers become a list: it may be a whole weight
        rows = grid.tolist() if hasattr(grid, "tolist") else grid
        cells = [[_colour(cell) for cell in row] for row in rows]
    except (TypeError, ValueError, OverflowError, RuntimeError):  # infinity; a tensor without its numbers
        return None
    if any(not 0 <= cell < COLOURS for row in cells for cell in row):
        return None
    lines = ["".join(map(str, row)) for row in cells]
    return "/".join(lines) if _fits(lines) else None


def _colour(cell: Any) -> int:
    """A cell as a whole number. ValueError for 0.7, which is a probability and no colour."""
    colour = int(cell)
    if colour != cell and not isinstance(cell, str):
        raise ValueError(f"{cell} is no whole number.")
    return colour


def _fits(lines: list[str]) -> bool:
    return len({len(line) for line in lines}) <= 1 and max(len(lines), *map(len, lines), 0) <= MAX_SIDE


def grids_of(grid: Any) -> list[Any]:
    """The candidates, best first: of one grid itself, or of several in a list."""
    if grid is None:
        return []
    if isinstance(grid, str):
        return [grid]
    if hasattr(grid, "tolist"):
        grid = grid.tolist()
    if not isinstance(grid, Iterable):
        return [grid]
    first = next(iter(grid), None)
    is_row = isinstance(first, list | tuple) and not any(hasattr(cell, "__len__") for cell in first)
    return [grid] if is_row else list(grid)


def candidates_of(grid: Any, votes: Any, confidence: Any) -> list[dict[str, Any]]:
    """Predictions of one test input as the journal has them, the first attempt first; what is no grid is an
    empty one, which is told. ValueError where there are more or fewer votes or confidences than grids."""
    grids = grids_of(grid)
    counts, sure = _per_grid(votes, grids, 1), _per_grid(confidence, grids, 0.0)
    candidates = []
    for each, count, certainty in zip(grids, counts, sure, strict=True):
        digits = digits_of(each)
        if digits is None:
            tell_once("log_predictions: a prediction was no grid of colours 0 to 9; it counts as no answer.")
        likely = number_of(certainty)
        known = min(max(likely, 0.0), 1.0) if likely is not None and not math.isnan(likely) else 0.0
        candidates.append({"grid": digits or "", "votes": max(int(count), 1), "confidence": known})
    return candidates


def _per_grid(given: Any, grids: list[Any], default: float) -> list[Any]:
    """One value for each grid; ValueError where there are more or fewer."""
    if given is None:
        return [default] * len(grids)
    values = given.tolist() if hasattr(given, "tolist") else given
    listed = list(values) if isinstance(values, list | tuple) else [values]
    if len(listed) != len(grids):
        raise ValueError(f"{len(grids)} grids, but {len(listed)} votes or confidences.")
    return listed
