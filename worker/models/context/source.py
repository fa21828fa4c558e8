"""What every context source is: the puzzle embedding of TRM and the encoders of ETRM."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple, Protocol

from torch import Tensor, nn

from worker.batch import Batch
from worker.noise import Noise

State = tuple[Tensor, ...]  # each (B, ...), carried over the ACT steps of a sample


class Penalty(NamedTuple):
    """A term added to the summed loss of the batch as weight x value.

    `per` says what the value is a mean over, so that the means of parts of a batch can be put together.
    """

    value: Tensor  # scalar
    weight: float
    per: Literal["sample", "demonstration"] = "sample"


class ContextOutput(NamedTuple):
    """The context (B, T, D), the state for the next ACT step, and the named penalties of this one."""

    context: Tensor
    state: State = ()
    penalties: Mapping[str, Penalty] = MappingProxyType({})


class ContextSource(Protocol):
    """A module that tells the core which task each sample of a batch belongs to."""

    def start(self) -> State:
        """The state a fresh sample starts from, each (1, ...); empty where nothing is carried."""
        ...

    def __call__(self, batch: Batch, state: State, noise: Noise | None) -> ContextOutput:
        """The context of `batch`. Without noise nothing is drawn at random."""
        ...

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]: ...
