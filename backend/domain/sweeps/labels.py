"""Short names for what varies: `width 64 · encoder iterative · seed 3`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from backend.domain.sweeps.definition import Sweep

SEPARATOR = " · "
MAX_VALUE_LENGTH = 24


def path_labels(paths: Sequence[str]) -> dict[str, str]:
    """Path -> as few of its last words as tell it from the others. A kind goes by what it is the kind of."""
    steps = {path: path.removesuffix(".kind").split(".") for path in paths}
    return {
        path: _shortest(own, [each for each in steps.values() if each != own]) for path, own in steps.items()
    }


def variation_label(changes: Mapping[str, Any], sweep: Sweep) -> str:
    """What `changes` say about the swept fields among them; empty where only the seed varies."""
    labels = path_labels(sweep.paths)
    told = [path for path in sweep.paths if path in changes]
    return SEPARATOR.join(f"{labels[path]} {value_label(changes[path])}" for path in told)


def sweep_label(sweep: Sweep) -> str:
    """What a whole sweep varies: `width × encoder · 3 seeds`."""
    varied = " × ".join(path_labels(sweep.paths).values())
    draws = f"{sweep.count} draws" if sweep.random else ""
    seeds = f"{sweep.seeds} seeds" if sweep.seeds > 1 else ""
    return SEPARATOR.join(filter(None, (varied, draws, seeds)))


def changes_of(config: Mapping[str, Any], sweep: Sweep) -> dict[str, Any]:
    """Swept path -> what a run's config has there; None where it has no such field."""
    return {path: value_at(config, path) for path in sweep.paths}


def value_label(value: Any) -> str:
    """A value as a word: text as it is, a config by its kind, the rest as JSON; long ones are cut."""
    if isinstance(value, Mapping) and isinstance(value.get("kind"), str):
        value = value["kind"]
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= MAX_VALUE_LENGTH else f"{text[: MAX_VALUE_LENGTH - 1]}…"


def _shortest(own: list[str], others: Sequence[list[str]]) -> str:
    for length in range(1, len(own)):
        if all(other[-length:] != own[-length:] for other in others):
            return " ".join(own[-length:]).replace("_", " ")
    return " ".join(own).replace("_", " ")


def value_at(config: Any, path: str) -> Any:
    """What a config's JSON has at a dotted path; None for nothing."""
    value = config
    for step in path.split("."):
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, list | tuple) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value
