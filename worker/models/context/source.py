"""What every context source is: the puzzle embedding of TRM and the encoders of ETRM."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor, nn

from backend.domain.experiment import CoreConfig
from backend.domain.experiment.encoders.base import Encoder
from worker.kit.batch import Batch
from worker.kit.noise import Noise

State = tuple[Tensor, ...]  # each (B, ...), carried over the ACT steps of a sample


class Penalty(NamedTuple):
    """A term added to the summed loss of the batch as weight x value: once, or once for every sample.

    `per` says what the value is a mean over, so that the means of parts of a batch can be put together;
    `reduction` whether the mean is added to the loss of the batch, or to that of each sample.
    """

    value: Tensor  # scalar
    weight: float
    per: Literal["sample", "demonstration"] = "sample"
    reduction: Literal["batch", "sample"] = "batch"


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


class SourceModule(nn.Module):
    """A source that carries no state, has no latent and uses all its parameters on every canvas, until a
    subclass says otherwise.
    """

    def start(self) -> State:
        return ()

    def expand(self, latent: Tensor) -> Tensor:
        return latent

    def beyond(self, side: int) -> int:
        return 0


E = TypeVar("E", bound=Encoder)
S = TypeVar("S", bound=ContextSource)
Made = Callable[[CoreConfig, E, torch.Generator], S]  # a class, or whatever makes a source
_MAKERS: dict[type[Encoder], Made[Any, ContextSource]] = {}


def built_from(config: type[E]) -> Callable[[Made[E, S]], Made[E, S]]:
    """Declares a class to be the source of the encoder with this config."""

    def declare(source: Made[E, S]) -> Made[E, S]:
        _MAKERS[config] = source
        return source

    return declare


def encoder_source(core: CoreConfig, config: Encoder, generator: torch.Generator) -> ContextSource:
    """A new source, of the class that the module called like the encoder's kind declares for its config."""
    import_module(f"{__package__}.{config.kind}")
    return _MAKERS[type(config)](core, config, generator)
