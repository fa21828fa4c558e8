"""A search in one line for people, and as the JSON that is part of what identifies an evaluation."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from backend.domain.experiment.search.config import (
    EvolutionarySearch,
    GradientSearch,
    MovingSearch,
    NoSearch,
    RandomSearch,
    SearchConfig,
)

_SEARCH: TypeAdapter[SearchConfig] = TypeAdapter(SearchConfig)
# Fields that keys have held since the first version. Later ones are in a key only where they say something,
# so that the keys of older evaluations stay as they are.
_ALWAYS = frozenset(
    {
        *("kind", "steps", "learning_rate", "optimiser", "samples", "generations", "population", "scale"),
        *("start", "leave_one_out", "most_decodes"),
    }
)
_FIRST_DEPTH = 1  # ACT steps asked by searches before they had the field: a key without it says so


def search_label(search: SearchConfig) -> str:
    """A search with its settings in one line, part of what identifies an evaluation; empty for none."""
    if isinstance(search, NoSearch):
        return ""
    parts = [*_of_its_kind(search), *(["from random"] if search.start == "random" else [])]
    if not isinstance(search, RandomSearch) and search.starts > 1:
        others = "demonstrations" if search.other_starts == "demonstrations" else "perturbations"
        parts += [f"{search.starts} starts ({others}, {search.perturbation:g})"]
    parts += ["leave one out"] if search.leave_one_out else []
    parts += [f"asked at ACT step {search.act_steps}"] if search.act_steps else []
    parts += ["selected by a held-out demonstration"] if search.selection == "held_out" else []
    parts += [f"patience {search.patience}"] if search.patience else []
    parts += [f"at most {search.most_decodes}"] if search.most_decodes else []
    parts += [f"at most {search.most_seconds:g} s"] if search.most_seconds else []
    return ", ".join(parts)


def _of_its_kind(search: MovingSearch) -> list[str]:
    if isinstance(search, GradientSearch):
        parts = [f"gradient {search.steps} x {search.learning_rate:g}"]
        parts += [search.optimiser] if search.optimiser != "adam" else []
        parts += ["cosine"] if search.schedule == "cosine" else []
        return parts + (["full gradient"] if search.gradient == "full" else [])
    if isinstance(search, EvolutionarySearch):
        parts = [f"evolutionary {search.generations} x {search.scale:g}"]
        return parts + ([f"population {search.population}"] if search.population else [])
    return [f"random {search.samples} x {search.scale:g}"]


def search_words(key: str) -> str:
    """The same of the JSON that identifies an evaluation's search; empty for none."""
    search = _parsed(key)
    return key if search is None else search_label(search)


def search_key(search: SearchConfig) -> str:
    """A search as canonical JSON; empty for none."""
    if isinstance(search, NoSearch):
        return ""
    said = search.model_dump(mode="json")
    kept = {name: value for name, value in said.items() if name in _ALWAYS or _says(search, name, value)}
    return json.dumps(kept, sort_keys=True, separators=(",", ":"))


def normalised_key(key: str) -> str:
    """Equal for equal searches, whether or not a field with its default value was stored."""
    search = _parsed(key)
    return key if search is None else search_key(search)


def search_of(key: str) -> SearchConfig | None:
    """The search that such JSON identifies; None where this version cannot read it."""
    return _parsed(key)


def _says(search: MovingSearch, name: str, value: Any) -> bool:
    """Whether a field that keys have not always held differs from what a key without it means."""
    if name == "act_steps":
        return bool(value != _FIRST_DEPTH)
    return bool(value != type(search).model_fields[name].default)


@lru_cache(maxsize=256)
def _parsed(key: str) -> SearchConfig | None:
    """The search of such JSON; None where another version wrote what this one cannot read."""
    if not key:
        return NoSearch()
    try:
        said = json.loads(key)
        return _SEARCH.validate_python(
            {"act_steps": _FIRST_DEPTH, **said} if said.get("kind") != "none" else said
        )
    except (AttributeError, ValueError, ValidationError):
        return None
