"""What makes two runs repetitions of one experiment: everything but the seed is the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

OF_ONE_RUN = ("name", "seed")  # what each of them may have for itself
SAID_OF_IT = "hypothesis"  # changes no number, except by its stop rule


def without_seed(config: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a config that repetitions share: of a hypothesis, the stop rule alone."""
    shared = {key: config[key] for key in config if key not in (*OF_ONE_RUN, SAID_OF_IT)}
    said = config.get(SAID_OF_IT)
    stop = said.get("stop") if isinstance(said, Mapping) else None
    if isinstance(said, Mapping) and isinstance(stop, Mapping) and stop.get("kind", "none") != "none":
        shared["stop"] = stop
        if stop.get("kind") == "reached":
            shared["bar"] = [said.get(key) for key in ("measure", "comparison", "value")]
    return shared


def variation(config: Mapping[str, Any]) -> str:
    """Twelve hexadecimal digits, the same for configs that differ in name and seed alone."""
    text = json.dumps(without_seed(config), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
