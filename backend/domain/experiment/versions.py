"""Older shapes of a config brought to today's: of stored runs, of checkpoints, of files that people keep.

A field that is added with a default needs nothing here. One that is removed, renamed, moved or given another
default does: append a step to `UPGRADES`, raise `ExperimentConfig.schema_version`, and add a migration that
brings stored configs up to date by it and recomputes their keys, as `configuration_keys` does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Upgrade = Callable[[dict[str, Any]], dict[str, Any]]


def _searches_ask_at_the_first_step(config: dict[str, Any]) -> dict[str, Any]:
    """Version 2: without `act_steps` a search asks at the last ACT step; it used to be the first."""
    evaluation = config.get("evaluation")
    if not isinstance(evaluation, Mapping):
        return config
    search = evaluation.get("search")
    if not isinstance(search, Mapping) or search.get("kind", "none") == "none":
        return config
    return {**config, "evaluation": {**evaluation, "search": {"act_steps": 1, **search}}}


# UPGRADES[n - 1] takes the JSON of a config of schema version n, whole or in part, to version n + 1.
UPGRADES: tuple[Upgrade, ...] = (_searches_ask_at_the_first_step,)


def upgraded(raw: Mapping[str, Any], steps: Sequence[Upgrade] = UPGRADES) -> dict[str, Any]:
    """The same config in today's shape. One that names no version, or none that is known, is left as it is:
    the first is meant for today's, the second is refused by the config itself."""
    config = dict(raw)
    version = config.get("schema_version")
    if not isinstance(version, int) or isinstance(version, bool) or not 1 <= version <= len(steps):
        return config
    for number, step in enumerate(steps[version - 1 :], start=version + 1):
        config = {**step(config), "schema_version": number}
    return config
