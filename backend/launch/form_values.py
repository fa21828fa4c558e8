"""What a person typed <-> config values, by the schema.

What cannot be read as its type stays the text it is: the config's own validation then says what is wrong
with it, and the form shows it again as typed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from backend.kit.lists import as_text, items_of
from backend.launch import schema
from backend.launch.schema import Schema

Typed = Mapping[str, str]  # dotted path -> what stands in the input; an unticked box is not there
FIELDS_OF = "fields"  # the kind whose fields were in the form; of another kind only the name was chosen
NEW_ROW = "new"  # a row's marker: it is dropped while its first field is empty


def read_form(typed: Typed) -> dict[str, Any]:
    """The config that a filled-in form describes; still unchecked."""
    return _read_group(schema.experiment_schema(), "", typed)


def shown(value: Any) -> str:
    """A config value as the text of its input."""
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return as_text(value, spaced=True)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.12g}" if 1e-5 <= abs(value) < 1e12 else f"{value:g}"
    return str(value)


def _read_group(node: Schema, prefix: str, typed: Typed) -> dict[str, Any]:
    values = schema.constants(node)
    for key, child, optional in schema.properties(node):
        values[key] = _read(child, f"{prefix}{key}", optional, typed)
    return values


def _read(node: Schema, path: str, optional: bool, typed: Typed) -> Any:
    if kinds := schema.variants(node):
        kind = typed.get(f"{path}.kind", "")
        has_fields = kind in kinds and typed.get(f"{path}.{FIELDS_OF}") == kind
        return _read_group(kinds[kind], f"{path}.", typed) if has_fields else {"kind": kind}
    if "properties" in node:
        return _read_group(node, f"{path}.", typed)
    if schema.is_rows(node):
        row, _ = schema.value_node(node["items"])
        return [_read_group(row, f"{path}.{i}.", typed) for i in row_numbers(row, path, typed)]
    if schema.input_type(node) == "boolean":
        return path in typed
    return _parsed(schema.input_type(node), typed.get(path, "").strip(), optional)


def row_numbers(row: Schema, path: str, typed: Typed) -> Sequence[int]:
    """Numbers of the rows in a form, without new ones that nobody filled in."""
    pattern = re.compile(re.escape(path) + r"\.(\d+)\.")
    numbers = sorted({int(match[1]) for name in typed if (match := pattern.match(name))})
    first = next(key for key, _, _ in schema.properties(row))
    unused = [i for i in numbers if f"{path}.{i}.{NEW_ROW}" in typed and not typed.get(f"{path}.{i}.{first}")]
    return [i for i in numbers if i not in unused]


def _parsed(kind: str, text: str, optional: bool) -> Any:
    if optional and not text:
        return None
    match kind:
        case "integer":
            return _integer(text)
        case "number":
            return _number(text)
        case "integers":
            return [_integer(part) for part in _parts(text)]
        case "texts":
            return items_of(text, spaced=True)
    return text


def _parts(text: str) -> list[str]:
    return [part for part in re.split(r"[,\s]+", text.strip("[] ")) if part]


def _number(text: str) -> float | str:
    try:
        value = float(text)
    except ValueError:
        return text
    return value if math.isfinite(value) else text


def _integer(text: str) -> int | float | str:
    """A whole number, also as 1e5 or 100_000."""
    value = _number(text)
    return int(value) if isinstance(value, float) and value.is_integer() else value
