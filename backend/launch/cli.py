"""`etrm presets` and `etrm config`: experiment configs as JSON."""

from __future__ import annotations

from backend.kit.output import answer, answered
from backend.terminal.options import Overrides, Source


def presets() -> None:
    """List the presets."""
    from backend.domain.config.presets import PRESETS

    if answered([{"name": name, "description": each.description} for name, each in PRESETS.items()]):
        return
    width = max(map(len, PRESETS))
    for name, preset in PRESETS.items():
        print(f"{name:{width}}  {preset.description}")


def config(
    source: Source,
    overrides: Overrides = None,
) -> None:
    """Check a config; print all of it as JSON.

    Defaults are filled in, so the output is a complete config file.
    """
    from backend.domain.config.files import read_experiment

    experiment = read_experiment(source, overrides or [])
    answer(experiment, experiment.model_dump_json(indent=2))
