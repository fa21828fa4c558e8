"""JSON as people send it: read so that a key that stands twice in one object is seen, not lost.

Plain `json.loads` and pydantic let the last of two equal keys win and say nothing.
"""

from __future__ import annotations

import json
from typing import Any

MAX_SHOWN = 100  # characters of a key in a message


class RepeatedKey(ValueError):
    """An object that has a key more than once."""

    def __init__(self, key: str) -> None:
        super().__init__(f"contains {shown(key)} twice")
        self.key = key


def read(text: str | bytes) -> Any:
    """The value that a JSON text holds. RepeatedKey; else ValueError and RecursionError as `json.loads`."""
    return json.loads(text, object_pairs_hook=unique)


def unique(items: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object as a dict (an `object_pairs_hook`); RepeatedKey names the first key that comes again."""
    mapping = dict(items)
    if len(mapping) < len(items):
        seen: set[str] = set()
        for key, _ in items:
            if key in seen:
                raise RepeatedKey(key)
            seen.add(key)
    return mapping


def repeated_key(text: str | bytes) -> str | None:
    """The first key that stands twice in an object of a JSON text; None also where the text is no JSON."""
    try:
        read(text)
    except RepeatedKey as error:
        return error.key
    except (ValueError, RecursionError):
        return None
    return None


def shown(key: str) -> str:
    """A key for a message: quoted, without control characters, and not longer than anybody reads."""
    return ascii(key)[: MAX_SHOWN + 1] + "…'" if len(key) > MAX_SHOWN else repr(key)
