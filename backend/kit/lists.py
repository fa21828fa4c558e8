"""Lists in one line of text: of names in an address, of ids in a field. The counterpart of web/lists.js.

What separates may be part of a name, so a member can stand in double quotes, written as in JSON. Ids of
tasks may have commas (`1,3,5th_go_down` is one), so a comma separates them only where a space or the end
follows; `spaced` reads such lists.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

_QUOTED = r'\s*(?P<metric>metric\()?(?P<quoted>"(?:[^"\\\n]|\\.)*")\)?\s*'
_PLAIN = r"\s*(?P<plain>.*?)\s*"
_MARKS = frozenset('"[]')  # a member with one of them stands in quotes
_ENDS = {False: r"(?:[,\n]|\Z)", True: r"(?:,(?=\s|\Z)|\n|\Z)"}
_ITEM = {spaced: re.compile(f"(?:{_QUOTED}{end}|{_PLAIN}{end})") for spaced, end in _ENDS.items()}


def items_of(text: str, spaced: bool = False, columns: bool = False) -> list[str]:
    """`loss, "a,b"` -> [`loss`, `a,b`]; a JSON list of texts is one too. `metric("a")` is the name in it;
    among `columns`, where it says that a metric is meant and not a fact of that name, it stays as it is."""
    if (whole := _json(text)) is not None:
        return whole
    found, at, text = [], 0, text.strip().removeprefix("[").removesuffix("]")
    while at < len(text):
        match = _ITEM[spaced].match(text, at)
        assert match, "the pattern matches any text"
        at = max(match.end(), at + 1)
        if match["quoted"] is not None:
            is_column = columns and match["metric"]
            found.append(f"metric({match['quoted']})" if is_column else unquoted(match["quoted"]))
        elif match["plain"]:
            found.append(match["plain"])
    return found


def as_text(items: Iterable[Any], spaced: bool = False) -> str:
    """The line that `items_of` reads back as these."""
    texts = [str(item) for item in items]
    return ", ".join(text if _is_plain(text, spaced) else quoted(text) for text in texts)


def _is_plain(text: str, spaced: bool) -> bool:
    return not set(text) & _MARKS and items_of(text, spaced) == [text]


def quoted(text: str) -> str:
    """In double quotes, as JSON."""
    return json.dumps(text, ensure_ascii=False)


def unquoted(text: str) -> str:
    """What stands between double quotes; as it is where its escapes are none of JSON's."""
    try:
        return str(json.loads(text))
    except ValueError:
        return text[1:-1]


def _json(text: str) -> list[str] | None:
    """The members of a JSON list of texts; None for any other text."""
    if not text.strip().startswith("["):
        return None
    try:
        members = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return members if isinstance(members, list) and all(isinstance(each, str) for each in members) else None
