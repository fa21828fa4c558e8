"""What every part of an experiment is made of: strict models whose fields are documented."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field

from backend.kit.model import Model


def field(
    default: Any, title: str, description: str, *, unit: str = "", advanced: bool = False, **bounds: Any
) -> Any:
    """A documented field. `advanced` fields are folded away in the form."""
    extra: dict[str, Any] = {"unit": unit, "advanced": advanced}
    if callable(default):
        return Field(
            default_factory=default, title=title, description=description, json_schema_extra=extra, **bounds
        )
    return Field(default, title=title, description=description, json_schema_extra=extra, **bounds)


class Config(Model):
    """Frozen, and strict about unknown keys and types: a typo is an error, never a default."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, allow_inf_nan=False)
