"""What the names of a filter mean: `pass1`, `encoder`, `training.steps`, `accuracy/token`.

| name | is |
|---|---|
| id, name, status, origin, seed, tag, step, notes | as the table shows them |
| alarm | names of the alarms that were raised |
| learning | the verdict on it: not learning, underfits, fits but does not generalise, generalises ... |
| verdict | on the run's hypothesis: open, supported, refuted or undecided |
| archived | true or false; runs that are true are left out unless the filter says something about it |
| variation | the same for runs that differ in name and seed alone |
| variant, encoder | `trm`, or the kind of the encoder |
| model | `trm` or `etrm` |
| owner | the name of the person who launched it |
| project | its project |
| group | the id or the name of the group of runs that a sweep made |
| created, started, finished | a time; write "2026-01-31", "2026-01-31T14:00" (UTC) or "3d ago" (also h, m) |
| duration | seconds |
| pass1, pass2, pass5 | share solved on the held-out set, newest evaluation |
| a dotted path of the config | that field; `evaluation.sets.name` means any member of a list |
| a metric | its last value; `accuracy/token:max` its greatest, `:min` its least |
| metric("step") | that metric, whatever else its name means here; `metric("step"):max` its greatest |

Whether a name is valid does not depend on what runs have recorded so far: a name that is none of the others
is that of a metric, and a run without it has no value there. Only what is probably a typing error of a name
that is always there is refused.

A word without an operator that is no such name is looked for in the names of runs.
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from difflib import SequenceMatcher
from typing import Any
from typing import Literal as OneOf

from pydantic import BaseModel

from backend.domain import metrics
from backend.domain.config.messages import models_of
from backend.domain.experiment import ExperimentConfig
from backend.domain.hypothesis.judge import VERDICTS
from backend.domain.learning import WORDS as LEARNING
from backend.kit.filters.tree import (
    All,
    Comparison,
    Either,
    Expression,
    Literal,
    Name,
    Not,
    Scalar,
    Value,
    comparisons,
    invalid,
    names,
)
from backend.kit.format import NOT_FINITE
from backend.kit.lists import quoted, unquoted
from backend.kit.problems import did_you_mean, not_valid
from backend.runs.status import RunStatus

PASSES = {"pass1": 1, "pass2": 2, "pass5": 5}
TIMES = ("created", "started", "finished")
TEXTS = (
    "id",
    "name",
    "status",
    "origin",
    "variant",
    "encoder",
    "model",
    "tag",
    "group",
    "owner",
    "project",
    "notes",
    "alarm",
    "verdict",
    "learning",
    "variation",
)
FLAGS = ("archived",)
NUMBERS = ("seed", "step", "duration", *PASSES)
RICH_NAMES = ("accuracy", "when")  # columns of the table that are drawn in a way of their own
BUILT_IN = (*TEXTS, *NUMBERS, *TIMES, *FLAGS)
SUMMARIES: tuple[OneOf["last", "min", "max"], ...] = ("last", "min", "max")
CHOICES: Mapping[str, tuple[str, ...]] = {
    "status": tuple(status.value for status in RunStatus),
    "origin": ("training", "external"),
    "model": ("trm", "etrm"),
    "verdict": VERDICTS,
    "learning": LEARNING,
}
_ORDERS = ("<", "<=", ">", ">=")
_NEARLY = 0.8  # likeness of two words of which one is probably a typing error
_EXPLICIT = re.compile(r'metric\(("(?:[^"\\]|\\.)*")\)(?::(last|min|max))?', re.IGNORECASE)
_AGO = re.compile(r"(\d+(?:\.\d+)?)\s*([dhm])(?:\s+ago)?")
_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0}


def bind(expression: Expression, extra: Collection[str], lenient: bool = False) -> Expression:
    """`expression` with every value of the right kind, and times as numbers.

    `extra` are names besides the built-in ones, the registered metrics and the paths of our own config:
    those of other metrics, and config paths of external runs. InvalidInput names the column of a typing error
    and suggests the nearest name; `lenient` passes over it.
    """
    for name in names(expression):
        if not lenient and not is_known(name.text, extra):
            _check_unknown(expression, name)
    return _typed(expression)


def meant_by_word(word: str, column: int, is_first: bool) -> Expression | None:
    """What a word without an operator looks for: a part of a run's name. None for a name of the language,
    which lacks its operator, unless it follows words that are looked for."""
    if is_first and is_known(word, ()):
        return None
    return Comparison(Name("name", column), "contains", Literal(word, column))


def remarks(expression: Expression | None) -> Iterator[str]:
    """What to tell of a filter that is valid and may not mean what its author thinks."""
    for item in comparisons(expression) if expression else ():
        name, value = item.left, item.right
        if not isinstance(name, Name) or not isinstance(value, Literal):
            continue
        if name.column == value.column:  # a word alone
            yield f"Runs with {value.value!r} in their name."
        metric = metric_of(name.text)[0]
        is_share = metric in metrics.NAMES and metrics.metric(metric).unit == "share"
        if is_share and isinstance(value.value, int | float) and value.value > 1:
            yield f"{metric} is a share from 0 to 1, not {value.value:g}. {_as_share(value.value)}".rstrip()


def _as_share(value: float) -> str:
    """What was probably meant by a share above 1; empty where it is no percentage either."""
    return f"Write {value:g}%." if value <= 100 else ""


def is_known(name: str, extra: Collection[str]) -> bool:
    """Whether a run may have something of this name; members of lists may be numbered."""
    plain = without_numbers(name)
    known = is_explicit(name) or name in extra or name in BUILT_IN or plain in extra or plain in CONFIG_PATHS
    metric = metric_of(name)[0]
    return known or metric in extra or metric in metrics.NAMES


def without_numbers(name: str) -> str:
    """The config path that `name` means, whichever members of lists it asks for."""
    return ".".join(step for step in name.removeprefix("config.").split(".") if not step.isdigit())


def metric_of(name: str) -> tuple[str, OneOf["last", "min", "max"]]:
    """`loss:min` -> (`loss`, `min`); a plain name means the last value, `metric("a:min")` that of `a:min`."""
    if explicit := _EXPLICIT.fullmatch(name):
        asked = (explicit[2] or "last").lower()
        return unquoted(explicit[1]), next(each for each in SUMMARIES if each == asked)
    for summary in SUMMARIES:
        if name.endswith(f":{summary}"):
            return name.removesuffix(f":{summary}"), summary
    return name, "last"


def asked_as(metric: str) -> str:
    """How a filter, an order or a column asks for a metric: by its name, where that means nothing else."""
    plain = metrics.is_well_formed(metric) and metric_of(metric)[0] == metric
    if plain and metric not in BUILT_IN and metric not in RICH_NAMES and not _is_of_config(metric):
        return metric
    return f"metric({quoted(metric)})"


def is_metric(name: str) -> bool:
    """Whether a name of the filter language can only be that of a metric that trainings record, or is
    `metric("...")`."""
    return is_explicit(name) or metric_of(name)[0] in metrics.NAMES


def is_explicit(name: str) -> bool:
    """Whether it is `metric("...")`, which is always a metric."""
    return _EXPLICIT.fullmatch(name) is not None


def _is_of_config(name: str) -> bool:
    return name.startswith("config.") or is_config_path(name)


def is_config_path(name: str) -> bool:
    """Whether it is a field, or a section, of our own configs."""
    return name == "model" or without_numbers(name) in CONFIG_PATHS


def config_path(name: str) -> str:
    """The dotted path that a name means, in our own configs or another's."""
    return "model.kind" if name == "model" else name.removeprefix("config.")


def refusal(name: str) -> tuple[str, str] | None:
    """What is wrong with a name that no run has, and a hint; None where it may be a metric's."""
    if not metrics.is_well_formed(name):
        known = f"Known are {', '.join(BUILT_IN)}, every config path (training.steps) and every metric."
        return f"Unknown name {name!r}.", known
    meant = _mistyped(name)
    return (f"Unknown name {name!r}.", f"Did you mean {meant!r}?") if meant else None


def suggestion(name: str, extra: Collection[str]) -> str:
    """The known name nearest to one that no run has, as a question; empty where none is near."""
    return did_you_mean(metric_of(name)[0], [*BUILT_IN, *metrics.NAMES, *extra, *CONFIG_PATHS])


def _mistyped(name: str) -> str | None:
    """The name that `name` is probably a typing error of, among those that do not depend on any run.

    Part by part, so that `accuracy/test` is not taken for `accuracy/exact`; a config field may be called by
    its last part alone.
    """
    metric = metric_of(name)[0]
    known = [*BUILT_IN, *metrics.NAMES, *CONFIG_PATHS]
    by_end = {path.rpartition(".")[2]: path for path in CONFIG_PATHS}
    if metric in by_end:
        return by_end[metric]
    near = [each for each in (*known, *by_end) if _is_nearly(metric, each)]
    best = max(near, key=lambda each: SequenceMatcher(None, metric, each).ratio(), default=None)
    return by_end.get(best, best) if best and best not in known else best


def _is_nearly(name: str, known: str) -> bool:
    parts, of_known = re.split(r"([./])", name), re.split(r"([./])", known)
    return len(parts) == len(of_known) and all(
        part == other or SequenceMatcher(None, part, other).ratio() >= _NEARLY
        for part, other in zip(parts, of_known, strict=True)
    )


def config_paths(model: type[BaseModel] = ExperimentConfig, prefix: str = "") -> Iterator[str]:
    """Dotted paths of all config fields of all kinds of models; members of lists have no number."""
    for key, field in model.model_fields.items():
        yield prefix + key
        for inner in models_of(field.annotation).values():
            yield from config_paths(inner, f"{prefix}{key}.")


CONFIG_PATHS = frozenset(config_paths())


def at_path(config: Any, path: str) -> Value:
    """What a config has at a dotted path; every member's where a list is on the way, None for nothing."""
    found = list(_reach(config, path.split(".")))
    plain = [item for item in found if item is None or isinstance(item, str | int | float | bool)]
    return (plain[0] if len(plain) == 1 else tuple(plain)) if plain else None


def _reach(value: Any, steps: list[str]) -> Iterator[Any]:
    if isinstance(value, list):
        if steps and steps[0].isdigit():
            members, steps = value[int(steps[0]) : int(steps[0]) + 1], steps[1:]
        else:
            members = value
        for member in members:
            yield from _reach(member, steps)
    elif not steps:
        yield value
    elif isinstance(value, dict):
        whole = ".".join(steps)
        if whole in value:  # other people's configs may have dots in their keys
            yield from _reach(value[whole], [])
        elif steps[0] in value:
            yield from _reach(value[steps[0]], steps[1:])


def _check_unknown(expression: Expression, name: Name) -> None:
    """Refuse a name that no run has where it is probably a text without quotes or a typing error."""
    beside = (item for item in comparisons(expression) if item.right is name and isinstance(item.left, Name))
    if any(item.operator not in _ORDERS for item in beside):
        invalid(name.column, f"Unknown name {name.text!r}.", f'Text needs quotes: "{name.text}".')
    if refused := refusal(name.text):
        invalid(name.column, *refused)


def _typed(expression: Expression) -> Expression:
    match expression:
        case Not(part):
            return Not(_typed(part))
        case All(parts):
            return All(tuple(_typed(part) for part in parts))
        case Either(parts):
            return Either(tuple(_typed(part) for part in parts))
    return _typed_comparison(expression)


def _typed_comparison(item: Comparison) -> Comparison:
    left, right = item.left, item.right
    if isinstance(left, Name) and isinstance(right, Literal):
        return replace(item, right=_typed_literal(left.text, item.operator, right))
    if isinstance(right, Name) and isinstance(left, Literal):
        return replace(item, left=_typed_literal(right.text, item.operator, left))
    return item


def _typed_literal(name: str, sign: str, literal: Literal) -> Literal:
    """The literal as a value of what `name` is; refuses a kind of value or a choice that can never match."""
    items = literal.value if isinstance(literal.value, tuple) else (literal.value,)
    typed = tuple(_typed_scalar(name, sign, item, literal.column) for item in items)
    return replace(literal, value=typed if isinstance(literal.value, tuple) else typed[0])


def _typed_scalar(name: str, sign: str, value: Scalar, column: int) -> Scalar:
    if value is None:
        return None
    if name in TIMES:
        return _time(name, value, column)
    if name in NUMBERS and (isinstance(value, str | bool)):
        invalid(column, f"{name} is a number, not {value!r}.")
    if name in PASSES and isinstance(value, int | float) and value > 1:
        invalid(column, f"{name} is a share from 0 to 1, not {value:g}.", _as_share(value))
    if name in TEXTS and not isinstance(value, str):
        invalid(column, f"{name} is text, not {value!r}.", f'Put it in quotes: "{value}".')
    if is_metric(name) and isinstance(value, str) and value in NOT_FINITE:
        return NOT_FINITE[value]
    if name in FLAGS and not isinstance(value, bool):
        invalid(column, f"{name} is true or false, not {value!r}.")
    if name in CHOICES and sign in ("==", "!=", "in", "not in") and value not in CHOICES[name]:
        problem = not_valid(name, value, CHOICES[name])
        invalid(column, problem.message, problem.hint)
    return value


def _time(name: str, value: Scalar, column: int) -> Scalar:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and (ago := _AGO.fullmatch(value.strip())):
        return time.time() - float(ago[1]) * _UNITS[ago[2]]
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        invalid(column, f"{name} is a time, not {value!r}.", 'Write "2026-01-31" or "3d ago".')
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
