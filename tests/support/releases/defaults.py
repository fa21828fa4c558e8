"""The defaults of a config: what a field meant that a stored config does not name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from backend.domain.config.messages import models_of
from backend.domain.experiment import ExperimentConfig
from backend.domain.experiment.fields import Config


def defaults() -> dict[str, Any]:
    """Path with the kinds of parts (`model[etrm].encoder[slots].layers`) -> default; of a part its kind."""
    return dict(_defaults_of(ExperimentConfig, ""))


def _defaults_of(model: type[Any], path: str) -> Iterator[tuple[str, Any]]:
    for name, declared in model.model_fields.items():
        yield f"{path}{name}", _plain(declared.get_default(call_default_factory=True))
        for kind, part in models_of(declared.annotation).items():
            yield from _defaults_of(part, f"{path}{name}[{kind}].")


def _plain(value: Any) -> Any:
    if isinstance(value, Config):
        return {"kind": getattr(value, "kind", "")}
    if isinstance(value, list | tuple):
        return [member.model_dump(mode="json") if isinstance(member, Config) else member for member in value]
    return value
