"""What the config of every encoder says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from backend.domain.experiment.fields import Config


class Encoder(Config):
    """The config of an encoder. The docstring of each is its text in the launch form.

    `kind` is also the name of two modules: of the config, in this folder, and of its source, in
    `worker/models/context/`.
    """

    kind: str = ""
    title: ClassVar[str] = ""  # in the presets that every encoder gets: "ETRM slot attention"
    reads: ClassVar[str] = ""  # in their descriptions: "ETRM with slot attention over …"
    small: ClassVar[Mapping[str, Any]] = MappingProxyType({})  # its fields in the quick presets and the tests

    def check_context(self, tokens: int) -> None:
        """ValueError where the encoder cannot make a context of so many tokens."""
