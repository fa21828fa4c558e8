"""What the config of somebody's own script may be: any JSON object that every page and file can hold."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from backend.kit.errors import FieldProblem

MAX_DEPTH = 32  # objects and lists inside one another
MAX_BYTES = 256 * 1024  # as JSON
MAX_NUMBER = 1e308  # beyond it a number is infinite wherever it is read as a float


def problem_with(config: Mapping[str, Any], field: str = "config") -> FieldProblem | None:
    """Why this JSON object cannot be kept, with the path of what is wrong; None where it can."""
    for path, depth, value in _walked(config, field):
        if depth > MAX_DEPTH:
            return FieldProblem(field, f"nests deeper than {MAX_DEPTH} levels.")
        if isinstance(value, float) and not math.isfinite(value):
            return FieldProblem(path, f"{value} is not a JSON number.", 'Write it as text: "NaN".')
        if isinstance(value, int) and abs(value) > MAX_NUMBER:
            return FieldProblem(path, f"is larger than {MAX_NUMBER:g}.", "Write it as text.")
    size = len(json.dumps(config, ensure_ascii=False).encode(errors="surrogatepass"))
    if size > MAX_BYTES:
        return FieldProblem(field, f"has {size:,} bytes as JSON; at most {MAX_BYTES:,} are kept.")
    return None


def _walked(config: Any, field: str) -> Iterator[tuple[str, int, Any]]:
    """(path, depth, value) of every value, without recursion: nobody knows how deep it goes."""
    left = [(field, 1, config)]
    while left:
        path, depth, value = left.pop()
        yield path, depth, value
        if depth > MAX_DEPTH:
            return
        if isinstance(value, Mapping):
            left += [(f"{path}.{key}", depth + 1, member) for key, member in value.items()]
        elif isinstance(value, list):
            left += [(f"{path}.{at}", depth + 1, member) for at, member in enumerate(value)]
