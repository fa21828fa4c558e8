"""`etrm presets` and `etrm config`: experiment configs as JSON."""

from __future__ import annotations

from typing import Annotated

import typer

from backend.terminal.options import Overrides


def presets() -> None:
    """List the presets."""
    from backend.domain.config.presets import PRESETS

    width = max(map(len, PRESETS))
    for name, preset in PRESETS.items():
        print(f"{name:{width}}  {preset.description}")


def config(
    source: Annotated[str, typer.Argument(metavar="CONFIG.json|PRESET", help="A config file or a preset.")],
    overrides: Overrides = None,
) -> None:
    """Check a config; print all of it as JSON.

    Defaults are filled in, so the output is a complete config file.
    """
    from backend.domain.config.files import read_experiment

    print(read_experiment(source, overrides or []).model_dump_json(indent=2))
