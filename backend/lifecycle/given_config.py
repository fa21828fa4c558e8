"""What bodies that start several runs share: the config that these vary, and what they are to be called."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from backend.domain.config.problems import apply_overrides, assignments, parse_experiment
from backend.domain.experiment import ExperimentConfig
from backend.kit.problems import invalid
from backend.web.inputs import Input


class GivenConfig(Input):
    """A config, or a preset with overrides."""

    config: Any = Field(None, description="An experiment config, as for a new run.")
    preset: str | None = Field(None, description="Instead of a config.", examples=["quick"])
    overrides: dict[str, Any] = Field(
        default={}, description="Overrides to the config or preset: nested, or by dotted paths."
    )
    name: str = Field("", description="Name of the group of runs. Default: what varies.")
    project: str = Field("", description="Project of its runs; empty: none.", examples=["arc-2"])

    def experiment(self, refusal: str) -> ExperimentConfig:
        """The config; InvalidInput with `refusal` unless there is exactly one."""
        if (self.config is None) == (self.preset is None):
            message = "is missing." if self.preset is None else "cannot be combined with a preset."
            raise invalid(refusal, "config", message, "Give a config, or a preset with overrides.")
        start = {"preset": self.preset} if self.config is None else self.config
        return parse_experiment(apply_overrides(start, list(assignments(self.overrides))))
