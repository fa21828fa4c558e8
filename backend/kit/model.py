"""The base of our pydantic models: what validates them is built when the first of them is validated.

There are some three hundred, and few are met in the first seconds of a process or in one command.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """A pydantic model that costs little until it is used."""

    model_config = ConfigDict(defer_build=True)
