"""What people write about a run, kept from being written over by somebody who did not see it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from backend.kit.errors import Conflict, FieldProblem

FIELDS = ("name", "tags", "notes", "archived", "project")


class Base(NamedTuple):
    """What a change builds on: the fields as its author saw them, or a version of all. Empty: anything."""

    seen: Mapping[str, Any] = {}
    version: str = ""


def version_of(written: Mapping[str, Any]) -> str:
    """A short text that differs where any of the fields differs."""
    text = json.dumps([written[field] for field in FIELDS], ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def check(written: Mapping[str, Any], changes: Mapping[str, Any], base: Base) -> None:
    """Conflict, with both texts, where a field to be changed is no longer what the author saw.

    A change to what already stands there is none.
    """
    outdated = bool(base.version) and base.version != version_of(written)
    found = [
        FieldProblem(
            field,
            f"was changed meanwhile. It is now: {_shown(written[field])}",
            f"Yours: {_shown(given)}",
        )
        for field, given in changes.items()
        if _plain(given) != _plain(written[field])
        and (outdated or (field in base.seen and _plain(base.seen[field]) != _plain(written[field])))
    ]
    if found:
        raise Conflict(
            "Nothing was saved: somebody else changed this run meanwhile.",
            "Put both together, and save again.",
            problems=found,
        )


def _plain(value: Any) -> Any:
    """For comparing: a browser has line feeds alone."""
    if isinstance(value, str):
        return value.replace("\r\n", "\n").replace("\r", "\n").strip()
    return [_plain(each) for each in value] if isinstance(value, Sequence) else value


def _shown(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)
