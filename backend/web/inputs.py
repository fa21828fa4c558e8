"""What bodies of requests share."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

CONFIG = {"$ref": "#/components/schemas/ExperimentConfig"}


class Input(BaseModel):
    """Base of bodies: an unknown key is an error."""

    model_config = ConfigDict(extra="forbid")
