"""Pydantic's validation errors as problems in our words: dotted field, message, hint."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from types import NoneType, UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from backend.domain.experiment import ExperimentConfig
from backend.kit.errors import FieldProblem
from backend.kit.problems import did_you_mean, nearest

_UNKNOWN_KIND = ("union_tag_invalid", "union_tag_not_found")
_LIMITS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
_LENGTHS = {"min_length": "at least", "max_length": "at most"}
_TYPES = {int: "a whole number", float: "a number", bool: "true or false", str: "text", NoneType: "null"}


def problem_of(details: ErrorDetails) -> FieldProblem:
    """What one of pydantic's errors about an ExperimentConfig means to whoever wrote the config."""
    place = _place(details["loc"])
    kind, given = details["type"], details["input"]
    if kind == "extra_forbidden":
        return FieldProblem(place.path, "unknown field.", _suggestion(place))
    if kind == "value_error":
        return _rule_problem(place, details["msg"].removeprefix("Value error, "))
    if kind in _UNKNOWN_KIND or (kind == "literal_error" and place.key == "kind"):
        return _kind_problem(place, given)
    if kind == "literal_error":
        return FieldProblem(place.path, f"cannot be {shown(given)}: choose {type_words(place.annotation)}.")
    if "too_short" in kind or "too_long" in kind or kind.startswith(("greater_than", "less_than")):
        return FieldProblem(place.path, f"must be {_bounds(place)}, not {shown(given)}.")
    return FieldProblem(place.path, f"must be {type_words(place.annotation)}, not {shown(given)}.")


def models_of(annotation: Any) -> dict[str, type[BaseModel]]:
    """kind -> config class of what a field may hold (kind "" where there is one class without kinds)."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        kind = annotation.model_fields.get("kind")
        return {str(kind.default) if kind else "": annotation}
    members = get_args(annotation) if get_origin(annotation) in (Union, UnionType, tuple) else ()
    return {kind: model for member in members for kind, model in models_of(member).items()}


def type_words(annotation: Any) -> str:
    """What a field of this type takes, in words."""
    if annotation in _TYPES:
        return _TYPES[annotation]
    if get_origin(annotation) is tuple:
        return f"a list of which each member is {type_words(get_args(annotation)[0])}"
    if get_origin(annotation) is Literal:
        return _alternatives([str(choice) for choice in get_args(annotation)])
    if models := models_of(annotation):
        names = dict.fromkeys(name for model in models.values() for name in model.model_fields)
        return f"an object with the fields {', '.join(names)}"
    return " or ".join(type_words(member) for member in get_args(annotation)) or "something else"


def shown(value: Any) -> str:
    """A value of the user's as JSON, cut where it is long."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."


class _Place(NamedTuple):
    """Where a problem is: its dotted path without union tags, and what the config says is there."""

    path: str
    key: str
    owner: type[BaseModel]  # the class that `key` is, or should be, a field of
    field: FieldInfo | None
    annotation: Any  # of the field, or of the member of a list


def _place(location: tuple[int | str, ...]) -> _Place:
    """Walk pydantic's location down the classes; the tag of a union is a step but no key."""
    keys: list[str] = []
    owner: type[BaseModel] = ExperimentConfig
    field: FieldInfo | None = None
    annotation: Any = ExperimentConfig
    for step in location:
        models = models_of(annotation)
        if isinstance(step, int):
            annotation = (get_args(annotation) or (None,))[0]
            keys.append(str(step))
        elif len(models) > 1 and step in models:
            annotation = models[step]
        else:
            owner = next(iter(models.values()), owner)
            field = owner.model_fields.get(step)
            annotation = field.annotation if field else None
            keys.append(step)
    return _Place(".".join(keys), keys[-1] if keys else "", owner, field, annotation)


def _paths(model: type[BaseModel], prefix: str = "", condition: str = "") -> Iterator[tuple[str, str, str]]:
    """(key, dotted path, " when model.kind is trm" or "") of every field a user may set."""
    for key, field in model.model_fields.items():
        if key in ("kind", "schema_version"):
            continue
        path = prefix + key
        yield key, path, condition
        models = models_of(field.annotation)
        for kind, inner in models.items():
            when = f" when {path}.kind is {kind}" if len(models) > 1 else condition
            yield from _paths(inner, path + ".", when)


def _places_of(key: str) -> list[str]:
    """Where fields called `key` live: those that every experiment has, else each with its condition."""
    found: dict[str, set[str]] = {}
    for name, path, condition in _paths(ExperimentConfig):
        if name == key:
            found.setdefault(path, set()).add(condition)
    always = [path for path, when in found.items() if when == {""}]
    return always or [path + (when.pop() if len(when) == 1 else "") for path, when in found.items()]


def _suggestion(place: _Place) -> str:
    """What an unknown key probably meant: exactly elsewhere, nearly here, or nearly elsewhere."""
    if places := _places_of(place.key):
        return f"Use {' or '.join(places)}."
    if hint := did_you_mean(place.key, place.owner.model_fields):
        return hint
    everywhere = {key for key, *_ in _paths(ExperimentConfig)}
    if elsewhere := nearest(place.key, sorted(everywhere), cutoff=0.75):
        return f"Did you mean {' or '.join(map(repr, _places_of(elsewhere)))}?"
    return f"Known here: {', '.join(key for key in place.owner.model_fields if key != 'schema_version')}."


def _rule_problem(place: _Place, message: str) -> FieldProblem:
    """A broken rule between fields. Its text starts with the field's name; advice may follow a colon."""
    name, _, rest = message.partition(" ")
    fields = {field for model in models_of(place.annotation).values() for field in model.model_fields}
    path = place.path
    if name.partition(".")[0] in fields:
        path, message = ".".join(filter(None, (place.path, name))), rest
    what, _, advice = message.partition(": ")
    hint = f"{advice[:1].upper()}{advice[1:]}{'' if advice.endswith('?') else '.'}" if advice else ""
    return FieldProblem(path, f"{what}.", hint)


def _kind_problem(place: _Place, given: Any) -> FieldProblem:
    """A kind that does not exist: lists those that do and suggests the nearest."""
    path, kinds = place.path, list(models_of(place.annotation))
    if place.key == "kind":
        kinds = [str(choice) for choice in get_args(place.annotation)]
    else:
        path = f"{place.path}.kind"
        given = given.get("kind") if isinstance(given, Mapping) else given
    hint = did_you_mean(str(given), kinds)
    return FieldProblem(path, f"unknown kind {shown(given)}: choose {_alternatives(kinds)}.", hint)


def _bounds(place: _Place) -> str:
    """The bounds of a number, or of the length of a text or list."""
    bounds = place.field.metadata if place.field else []
    limits = [f"{word} {getattr(b, key)}" for b in bounds for key, word in _LIMITS.items() if hasattr(b, key)]
    lengths = [
        f"{word} {getattr(b, key)}" for b in bounds for key, word in _LENGTHS.items() if hasattr(b, key)
    ]
    unit = "characters" if place.annotation is str else "entries"
    return " and ".join(limits or lengths) + (f" {unit} long" if lengths else "")


def _alternatives(choices: list[str]) -> str:
    return " or ".join(filter(None, (", ".join(choices[:-1]), choices[-1])))
