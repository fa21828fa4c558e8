"""What bodies of requests share."""

from __future__ import annotations

from pydantic import ConfigDict

from backend.kit.model import Model

CONFIG = {"$ref": "#/components/schemas/ExperimentConfig"}


class Input(Model):
    """Base of bodies: an unknown key is an error.

    Built at once: what FastAPI asks of a body that is built later makes pydantic warn.
    """

    model_config = ConfigDict(extra="forbid", defer_build=False)
