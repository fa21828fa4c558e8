"""Raw input -> ExperimentConfig, and every way it can be wrong in words that name the field.

The form, the API, the command line and imported files all come through `parse_experiment`, so each
mistake has one message everywhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, get_args

from pydantic import ValidationError

from backend.domain.config.messages import models_of, problem_of, shown
from backend.domain.config.presets import preset
from backend.domain.experiment import ExperimentConfig
from backend.domain.experiment.versions import upgraded
from backend.kit import json_text
from backend.kit.errors import FieldProblem, InvalidConfig
from backend.kit.text import problems as problems_of_text

_EXAMPLE = 'Write for example {"preset": "quick", "training": {"steps": 100}}.'


def parse_json(text: str | bytes) -> ExperimentConfig:
    """The config that a JSON text describes; InvalidConfig as `read_json`, `check_stated` and
    `parse_experiment` have it."""
    raw = read_json(text)
    check_stated(raw)
    return parse_experiment(raw)


def check_stated(raw: object) -> None:
    """InvalidConfig where an object says nothing of what to train: the defaults are a run of days."""
    if isinstance(raw, Mapping) and not any(_says_something(key, value) for key, value in raw.items()):
        raise _invalid(
            FieldProblem("", "A config is required: this one does not say what to train.", _EXAMPLE)
        )


def _says_something(key: object, value: object) -> bool:
    if isinstance(value, Mapping):
        return any(_says_something("", member) for member in value.values())
    return key not in ("name", "seed", "preset") or (key == "preset" and value is not None)


def read_json(text: str | bytes) -> object:
    """The value that a JSON text holds; InvalidConfig names the line and column where it is no JSON."""
    try:
        return json_text.read(text)
    except json_text.RepeatedKey as error:
        raise _stands_twice(error) from error
    except json.JSONDecodeError as error:
        raise _invalid(
            FieldProblem("", f"Line {error.lineno}, column {error.colno} is not JSON: {error.msg}.", _EXAMPLE)
        ) from error
    except (ValueError, RecursionError) as error:
        raise _invalid(FieldProblem("", "Invalid JSON.", _EXAMPLE)) from error


def parse_experiment(raw: object) -> ExperimentConfig:
    """The config that a JSON object describes.

    With `"preset": name` its other keys change that preset, without it they change the defaults. A changed
    `kind` starts from the defaults of that kind. Raises InvalidConfig with one problem for each mistake.
    """
    if faults := problems_of_text(raw, finite=False):
        raise _invalid(*faults)
    expanded = _expand(raw)
    try:
        return ExperimentConfig.model_validate(expanded)
    except ValidationError as error:
        raise _invalid(*map(problem_of, error.errors())) from error


def apply_overrides(raw: object, assignments: Iterable[str]) -> dict[str, Any]:
    """`raw` with `"training.steps=10"`-like assignments applied; still to be parsed.

    Values are JSON, or text where they are none. Members of lists go by position (`evaluation.sets.0.name`).
    The order does not matter: a changed kind never undoes an assignment beside it.
    """
    merged: dict[str, Any] = _merge(_expand(raw), changes_of(assignments), ExperimentConfig)
    return merged


def assignments(overrides: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Nested or dotted overrides as `path=JSON` assignments."""
    for key, value in overrides.items():
        if isinstance(value, Mapping):
            yield from assignments(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}={json.dumps(value)}"


def changes_of(assignments: Iterable[str]) -> dict[str, Any]:
    """The nested overrides that `apply_overrides` reads in assignments; InvalidConfig."""
    changes: dict[str, Any] = {}
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        keys = path.strip().split(".")
        if not equals or not all(keys):
            raise _invalid(
                FieldProblem(assignment, "is not an assignment.", "Write path=value: training.steps=100.")
            )
        inner = changes
        for key in keys[:-1]:
            if not isinstance(inner.get(key), dict):
                inner[key] = {}
            inner = inner[key]
        inner[keys[-1]] = _value(text.strip())
    return changes


def flatten(config: ExperimentConfig | Mapping[str, Any]) -> dict[str, Any]:
    """Dotted path -> JSON value of every leaf; lists of plain values are leaves."""
    raw = config.model_dump(mode="json") if isinstance(config, ExperimentConfig) else config
    return dict(_leaves(raw, ""))


def differences(
    before: ExperimentConfig | Mapping[str, Any], after: ExperimentConfig | Mapping[str, Any]
) -> dict[str, tuple[Any, Any]]:
    """Dotted path -> (before, after) where the two differ; None where one has no such field."""
    old, new = flatten(before), flatten(after)
    paths = [*old, *(path for path in new if path not in old)]
    return {path: (old.get(path), new.get(path)) for path in paths if old.get(path) != new.get(path)}


def _invalid(*problems: FieldProblem) -> InvalidConfig:
    return InvalidConfig("The config is not valid.", problems=problems)


def _stands_twice(error: json_text.RepeatedKey) -> InvalidConfig:
    key = json_text.shown(error.key)
    return _invalid(FieldProblem(error.key, f"{key} stands twice in one object.", "Give it once."))


def _value(text: str) -> Any:
    try:
        return json_text.read(text)
    except json_text.RepeatedKey as error:
        raise _stands_twice(error) from error
    except (ValueError, RecursionError):
        return text


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    members: Iterable[tuple[Any, Any]] | None = None
    if isinstance(value, Mapping) and value:
        members = value.items()
    elif isinstance(value, list | tuple) and any(isinstance(member, Mapping) for member in value):
        members = enumerate(value)
    if members is None:
        yield path, value
        return
    for key, member in members:
        yield from _leaves(member, f"{path}.{key}" if path else str(key))


def _expand(raw: object) -> dict[str, Any]:
    """The whole config as a plain object: `raw` over its preset or the defaults; still unchecked."""
    if not isinstance(raw, Mapping):
        raise _invalid(FieldProblem("", f"A config is a JSON object, not {_json_type(raw)}.", _EXAMPLE))
    changes = upgraded(raw)
    name = changes.pop("preset", None)
    if name is not None and not isinstance(name, str):
        raise _invalid(FieldProblem("preset", f"must be the name of a preset, not {shown(name)}.", _EXAMPLE))
    base = preset(name) if name is not None else ExperimentConfig()
    merged: dict[str, Any] = _merge(base.model_dump(mode="json"), changes, ExperimentConfig)
    return merged


def _merge(base: Any, changes: Any, annotation: Any) -> Any:
    """`changes` over `base`, deeply; `annotation` says what the merged value is a config of."""
    if not isinstance(changes, Mapping):
        return changes
    if isinstance(base, list) and changes and all(key.isdigit() and int(key) < len(base) for key in changes):
        (member, *_) = get_args(annotation) or (None,)
        return [_merge(old, changes.get(str(i), old), member) for i, old in enumerate(base)]
    if not isinstance(base, dict):
        return dict(changes)
    model = models_of(annotation).get(str(changes.get("kind", base.get("kind", ""))))
    if "kind" in changes and changes["kind"] != base.get("kind"):
        base = model().model_dump(mode="json") if model else {}
    fields = model.model_fields if model else {}
    merged = dict(base)
    for key, value in changes.items():
        inner = fields[key].annotation if key in fields else None
        merged[key] = _merge(base.get(key), value, inner)
    return merged


def _json_type(value: object) -> str:
    """What a JSON value is, for a message that wanted an object."""
    return "a list" if isinstance(value, list) else shown(value)
