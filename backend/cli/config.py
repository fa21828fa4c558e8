"""`etrm presets` and `etrm config`: experiment configs as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backend.cli.work import Overrides

if TYPE_CHECKING:
    from backend.domain.experiment import ExperimentConfig


def presets() -> None:
    """List the presets."""
    from backend.domain.presets import PRESETS

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
    print(read_config(source, overrides or []).model_dump_json(indent=2))


def read_config(source: str, assignments: list[str]) -> ExperimentConfig:
    """The config in a file, or of a preset, with `path=value` assignments applied.

    InvalidConfig says what is wrong with it, field by field.
    """
    from backend.domain.config_problems import apply_overrides, parse_experiment, parse_json

    if not _is_file(source):
        return parse_experiment(apply_overrides({"preset": source}, assignments))
    raw = parse_json(_read(Path(source))).model_dump(mode="json")
    return parse_experiment(apply_overrides(raw, assignments))


def _is_file(source: str) -> bool:
    return Path(source).suffix == ".json" or "/" in source or Path(source).is_file()


def _read(path: Path) -> bytes:
    from backend.domain.errors import InvalidInput

    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"The config {path} cannot be read: {error.strerror}.") from error
