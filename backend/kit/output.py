"""What a command answers: text for a person or, with --json, one JSON document for a program.

With --json the document is all that standard output holds: whatever else is printed goes to standard error.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, TextIO

from backend.kit.errors import EtrmError, Interrupted

OPTION = "--json"
_documents: list[TextIO] = []  # where documents go, while --json is asked for


@contextmanager
def as_json(is_wanted: bool) -> Iterator[None]:
    """Answer as JSON while the block runs, if that `is_wanted`."""
    if not is_wanted:
        yield
        return
    before = sys.stdout
    _documents.append(before)
    sys.stdout = sys.stderr
    try:
        yield
    finally:
        sys.stdout = before
        _documents.pop()


def is_json() -> bool:
    """Whether --json is asked for."""
    return bool(_documents)


def answered(value: Any) -> bool:
    """Print `value` (views, dataclasses, and what JSON has) if JSON is asked for; whether it was."""
    return _printed(value, indent=2)


def announced(value: Any) -> bool:
    """The same on one line, for a command that continues to run: whoever reads lines learns it at once."""
    return _printed(value, indent=None)


def answer(value: Any, text: str) -> None:
    """Print `value` if JSON is asked for, else `text`."""
    if not answered(value):
        print(text)


def tell(error: EtrmError) -> None:
    """Print an error on standard error, as JSON in the form of the API's if that is asked for."""
    if not is_json():
        print(error if isinstance(error, Interrupted) else f"Error: {error}", file=sys.stderr)
        return
    problems = [
        {"field": problem.field, "message": problem.message, "hint": problem.hint}
        for problem in error.problems
    ]
    body = {"code": error.code, "message": error.message, "hint": error.hint, "fields": problems}
    print(json.dumps({"error": body}, indent=2), file=sys.stderr)


def plain(value: Any) -> Any:
    """A value of what JSON has; a number that is not finite is null, unless its view says it as text."""
    if hasattr(value, "model_dump"):
        return plain(value.model_dump(mode="json", by_alias=True))
    if isinstance(value, Enum):
        return plain(value.value)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(each) for key, each in value.items()}
    if hasattr(value, "_asdict"):
        return plain(value._asdict())
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value


def _printed(value: Any, indent: int | None) -> bool:
    if not _documents:
        return False
    text = json.dumps(plain(value), indent=indent, ensure_ascii=False, allow_nan=False)
    print(text, file=_documents[-1], flush=True)
    return True
