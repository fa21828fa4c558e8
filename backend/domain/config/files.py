"""The config that a command line names: a JSON file or a preset, changed by `path=value` assignments."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from backend.domain.config.presets import PRESETS
from backend.domain.config.problems import apply_overrides, check_stated, parse_experiment, read_json
from backend.domain.experiment import ExperimentConfig
from backend.kit.errors import InvalidInput, NotFound


def read_experiment(source: str, assignments: Iterable[str] = ()) -> ExperimentConfig:
    """The config of a file or preset called `source`, with the assignments applied.

    NotFound, InvalidInput or InvalidConfig say what is wrong, field by field.
    """
    named_as_file = source.endswith(".json") or "/" in source
    if source not in PRESETS and (named_as_file or Path(source).is_file()):
        raw: object = _read(Path(source))
        check_stated(raw)
    else:
        raw = {"preset": source}
    return parse_experiment(apply_overrides(raw, assignments))


def _read(path: Path) -> object:
    try:
        return read_json(path.read_bytes())
    except FileNotFoundError as error:
        raise NotFound(
            f"File {path} not found.", f"Give a JSON file or a preset: {', '.join(PRESETS)}."
        ) from error
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}.") from error
