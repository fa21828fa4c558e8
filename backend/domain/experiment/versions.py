"""Older shapes of a config brought to today's: of stored runs, of checkpoints, of files that people keep.

A field that is added with a default needs nothing here. One that is removed, renamed, moved or given another
default does: append a step to `UPGRADES`, raise `ExperimentConfig.schema_version`, and add a migration that
brings stored configs up to date by it and recomputes their keys, as `configuration_keys` does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Upgrade = Callable[[dict[str, Any]], dict[str, Any]]

# UPGRADES[n - 1] takes the JSON of a config of schema version n, whole or in part, to version n + 1.
UPGRADES: tuple[Upgrade, ...] = ()


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
