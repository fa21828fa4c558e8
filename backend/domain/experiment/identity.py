"""What makes two runs repetitions of one experiment: the same configuration, whatever their seeds.

Identity is how a config differs from the defaults. So a field that a later version adds, with the
default that older runs were trained by, changes no key; nor does the way in which JSON writes a number.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError

from backend.domain.experiment.config import ExperimentConfig
from backend.domain.experiment.fields import Config
from backend.domain.experiment.hypothesis import BarHypothesis, NoHypothesis, NoStop, ReachedStop

OF_ONE_RUN = ("name", "seed")  # what each repetition may have for itself
NO_NUMBER = "placement"  # where it is trained
SAID_OF_IT = "hypothesis"  # changes no number, except by its stop rule
OF_RECORDING = ("health.histogram_every",)  # how much is looked at, and nothing that is computed
_SECTIONS: Mapping[str, TypeAdapter[Any]] = {
    name: TypeAdapter[Any](cast(Any, declared.annotation))
    for name, declared in ExperimentConfig.model_fields.items()
}
DIGITS = 12  # hexadecimal: two of a million configurations share a key by chance once in 500


def is_shared(path: str) -> bool:
    """Whether the field at a dotted path, or the section, says which configuration it is."""
    return path.partition(".")[0] not in (*OF_ONE_RUN, NO_NUMBER, SAID_OF_IT) and path not in OF_RECORDING


def is_choice(path: str) -> bool:
    """Whether such a field is something its author chose: what configurations differ in, and not how they
    are written."""
    return is_shared(path) and path != "schema_version"


def read_stored(raw: Mapping[str, Any]) -> ExperimentConfig | None:
    """The config that a training's row holds, of whatever version; None where today's code cannot read it."""
    try:
        return ExperimentConfig.model_validate(raw)
    except ValidationError:
        return None


def complete(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON of a training's config with every field that its version did not have yet; one that cannot be
    read comes back as it is."""
    config = read_stored(raw)
    return dict(raw) if config is None else config.model_dump(mode="json")


def complete_section(name: str, stored: Any) -> Any:
    """`complete` for one section of a training's config alone: `data`, `training`."""
    try:
        return _SECTIONS[name].dump_python(_SECTIONS[name].validate_python(stored), mode="json")
    except (KeyError, ValidationError):
        return stored


def key_of_training(raw: Mapping[str, Any]) -> str:
    """The key of a stored config of a run that is trained here; `key_of_json` where it cannot be read."""
    config = read_stored(raw)
    return key_of_json(raw) if config is None else configuration_key(config)


def configuration_key(config: ExperimentConfig) -> str:
    """Twelve hexadecimal digits, the same for configs that differ in name, seed and claim alone."""
    changes = deviations(config)
    for path in OF_RECORDING:
        section, _, name = path.partition(".")
        changes.get(section, {}).pop(name, None)
    shared = {name: value for name, value in changes.items() if is_shared(name) and value != {}}
    if not isinstance(config.hypothesis, NoHypothesis) and not isinstance(config.hypothesis.stop, NoStop):
        shared["stop"] = deviations(config.hypothesis.stop)
        if isinstance(config.hypothesis, BarHypothesis) and isinstance(config.hypothesis.stop, ReachedStop):
            bar = config.hypothesis
            shared["bar"] = [bar.measure, bar.comparison, bar.value]
    return _digest({"schema": config.schema_version, "configuration": shared})


def key_of_json(raw: Any) -> str:
    """The same for the config of somebody's own script, which is any JSON object and has no defaults.

    No such key is that of a training. Of a hypothesis the stop rule counts, and the bar that it waits for.
    """
    if not isinstance(raw, Mapping):
        return _digest({"json": raw})
    shared = {name: value for name, value in raw.items() if is_shared(name)}
    said = raw.get(SAID_OF_IT)
    stop = said.get("stop") if isinstance(said, Mapping) else None
    if isinstance(said, Mapping) and isinstance(stop, Mapping) and stop.get("kind", "none") != "none":
        shared["stop"] = stop
        if stop.get("kind") == "reached":
            shared["bar"] = [said.get(key) for key in ("measure", "comparison", "value")]
    return _digest({"json": shared})


def deviations(part: Config) -> dict[str, Any]:
    """How the part differs from the defaults of its class, deeply; and its kind, which is always told."""
    found = {}
    for name, default in _defaults(type(part)).items():
        value = getattr(part, name)
        if name == "kind" or (value != default and _plain(value) != _plain(default)):
            found[name] = _plain(value)
    return found


def canonical_json(value: Any) -> str:
    """One text for equal values: sorted keys, 1 for 1.0, a list for a tuple."""
    return json.dumps(_canonical(value), sort_keys=True, separators=(",", ":"))


@lru_cache(maxsize=256)
def _defaults(part: type[Config]) -> dict[str, Any]:
    """Field -> what it is where nothing is said."""
    fields = part.model_fields.items()
    return {name: declared.get_default(call_default_factory=True) for name, declared in fields}


def _plain(value: Any) -> Any:
    if isinstance(value, Config):
        return deviations(value)
    if isinstance(value, list | tuple):  # a copy that was not checked may hold a list
        return [_plain(member) for member in value]
    return value


def _canonical(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _canonical(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(member) for member in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _digest(value: Any) -> str:
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:DIGITS]
