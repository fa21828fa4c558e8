"""What every context source is: the puzzle embedding of TRM and the encoders of ETRM."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple, Protocol

from torch import Tensor, nn

from worker.kit.batch import Batch
from worker.kit.noise import Noise

State = tuple[Tensor, ...]  # each (B, ...), carried over the ACT steps of a sample


class Penalty(NamedTuple):
    """A term added to the summed loss of the batch as weight x value.

    `per` says what the value is a mean over, so that the means of parts of a batch can be put together.
    """

    value: Tensor  # scalar
    weight: float
    per: Literal["sample", "demonstration"] = "sample"


class ContextOutput(NamedTuple):
    """What a context source makes of a batch: the context and what goes with it."""

    context: Tensor  # (B, T, D)
    state: State = ()  # for the next ACT step
    penalties: Mapping[str, Penalty] = MappingProxyType({})  # of this one
    latent: Tensor | None = None  # (B, latent) that the context was expanded from, if it was


class ContextSource(Protocol):
    """A module that tells the core which task each sample of a batch belongs to."""

    def start(self) -> State:
        """The state a fresh sample starts from, each (1, ...); empty where nothing is carried."""
        ...

    def __call__(self, batch: Batch, state: State, noise: Noise | None) -> ContextOutput:
        """The context of `batch`. Without noise nothing is drawn at random."""
        ...

    def expand(self, latent: Tensor) -> Tensor:
        """The context (B, T, D) of latents (B, latent); without latents a context is its own."""
        ...

    def beyond(self, side: int) -> int:
        """How many numbers of its parameters belong to places that no canvas of up to `side` has."""
        ...

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]: ...
