"""The encoders of ETRM: what turns demonstrations into context.

An encoder is its config here, its source in `worker/models/context/` and its line in KINDS. The form, its
colour and marker, its presets and the tests of every encoder follow.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from importlib import import_module
from operator import or_
from typing import TYPE_CHECKING, Annotated, TypeAlias

from pydantic import Field

from backend.domain.experiment.encoders.base import Encoder

# The union, in the order of the form. The place of an encoder gives it its colour and marker: append.
KINDS = (
    "deterministic",
    "variational",
    "per_demo",
    "iterative",
    "slots",
    "graph",
)


def _config_of(kind: str) -> type[Encoder]:
    """The config in the module that is called like its kind."""
    for each in vars(import_module(f"{__name__}.{kind}")).values():
        if isinstance(each, type) and issubclass(each, Encoder) and each.model_fields["kind"].default == kind:
            return each
    raise TypeError(f"{__name__}.{kind} has no config of the kind {kind!r}.")


ENCODERS: Mapping[str, type[Encoder]] = {kind: _config_of(kind) for kind in KINDS}

if TYPE_CHECKING:
    EncoderConfig: TypeAlias = Encoder
else:
    EncoderConfig = Annotated[reduce(or_, ENCODERS.values()), Field(discriminator="kind")]
