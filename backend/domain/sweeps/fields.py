"""The fields that can be swept: every leaf of a config of any kind, and every choice of a kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args

from pydantic import BaseModel

from backend.domain.config.messages import models_of, type_words
from backend.domain.experiment import ExperimentConfig
from backend.domain.sweeps.definition import NOT_SWEPT


@dataclass(frozen=True)
class SweepableField:
    """A field by its dotted path; `takes` says in words what it may hold."""

    path: str
    title: str
    takes: str
    whole: bool  # a whole number


@cache
def sweepable() -> Mapping[str, SweepableField]:
    """Every such field by path, in the config's order; of kinds that share a path, the first one's."""
    found: dict[str, SweepableField] = {}
    for each in _fields(ExperimentConfig, ""):
        found.setdefault(each.path, each)
    return found


def is_whole(path: str) -> bool:
    """Whether the field holds whole numbers, as far as its path tells."""
    return path in sweepable() and sweepable()[path].whole


def _fields(model: type[BaseModel], prefix: str) -> Iterator[SweepableField]:
    for key, field in model.model_fields.items():
        path, title = prefix + key, field.title or key
        inner = models_of(field.annotation)
        if key == "kind" or path in NOT_SWEPT or (inner and _is_list(field.annotation)):
            continue
        if not inner:
            yield SweepableField(path, title, type_words(field.annotation), _takes_whole(field.annotation))
        elif "" not in inner:
            yield SweepableField(f"{path}.kind", f"Kind of {title.lower()}", " or ".join(inner), False)
        for each in inner.values():
            yield from _fields(each, f"{path}.")


def _is_list(annotation: Any) -> bool:
    return getattr(annotation, "__origin__", None) is tuple


def _takes_whole(annotation: Any) -> bool:
    return annotation is int or (int in get_args(annotation) and not _is_list(annotation))
