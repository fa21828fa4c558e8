"""Reading ExperimentConfig's JSON schema: what a node is, whatever way pydantic wrote it down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from backend.domain.experiment import ExperimentConfig

Schema = Mapping[str, Any]


@cache
def experiment_schema() -> Schema:
    """The schema that the form walks."""
    return ExperimentConfig.model_json_schema()


def resolved(node: Schema) -> Schema:
    """The node with its `$ref` followed; title and description beside the reference win."""
    if "$ref" not in node:
        return node
    name = node["$ref"].rpartition("/")[2]
    target: Schema = experiment_schema()["$defs"][name]
    return {**target, **{key: value for key, value in node.items() if key != "$ref"}}


def value_node(node: Schema) -> tuple[Schema, bool]:
    """The node of the value itself, and whether it may be left empty (null)."""
    members = node.get("anyOf", ())
    plain = [member for member in members if member.get("type") != "null"]
    if not members or len(plain) != 1:
        return resolved(node), False
    outer = {key: value for key, value in node.items() if key != "anyOf"}
    return resolved({**plain[0], **outer}), len(plain) < len(members)


def variants(node: Schema) -> dict[str, Schema]:
    """kind -> node of the configs a field may hold; {} where there is no choice."""
    if "discriminator" not in node:
        return {}
    return {kind: resolved({"$ref": ref}) for kind, ref in node["discriminator"]["mapping"].items()}


def properties(node: Schema) -> Iterator[tuple[str, Schema, bool]]:
    """(key, node of the value, optional) of the fields that a person may set."""
    for key, child in node["properties"].items():
        value, optional = value_node(child)
        if not value.get("hidden") and "const" not in value:
            yield key, value, optional


def constants(node: Schema) -> dict[str, Any]:
    """The fields with one possible value, such as the kind of a variant."""
    return {key: child["const"] for key, child in node["properties"].items() if "const" in child}


def input_type(node: Schema) -> str:
    """How a leaf is typed in: integer, number, boolean, choice, text, integers or texts (lists)."""
    if "enum" in node:
        return "choice"
    if node["type"] == "array":
        return "integers" if value_node(node["items"])[0]["type"] == "integer" else "texts"
    return "text" if node["type"] == "string" else str(node["type"])


def is_rows(node: Schema) -> bool:
    """Whether the node is a list of configs, shown as rows."""
    return node.get("type") == "array" and "properties" in value_node(node["items"])[0]


def bounds(node: Schema) -> str:
    """What a number may be, in a few signs: `8 – 4096`, `≥ 1`, `> 0, ≤ 1`."""
    low, above = node.get("minimum"), node.get("exclusiveMinimum")
    high, below = node.get("maximum"), node.get("exclusiveMaximum")
    if low is not None and high is not None:
        return f"{low:,} – {high:,}"
    signs = {"≥": low, ">": above, "≤": high, "<": below}
    return ", ".join(f"{sign} {limit:,}" for sign, limit in signs.items() if limit is not None)
