"""A model for one task: what learns is copied, all else is shared with the original and cannot move."""

from __future__ import annotations

from copy import deepcopy

from torch import Tensor, nn

from backend.domain.experiment import (
    AdapterAdaptation,
    EncoderAdaptation,
    FullAdaptation,
    LearningAdaptation,
)
from worker.adaptation.low_rank import add_adapters
from worker.models.context.puzzle_embedding import PuzzleEmbedding
from worker.models.reasoner import Reasoner

ENCODER = "context."  # how the names of the encoder's weights begin


def copy_of(reasoner: Reasoner, adaptation: LearningAdaptation, rows: Tensor, seed: int) -> Reasoner:
    """A model with the weights of `reasoner` whose parameters are those that the adaptation moves.

    Weights that stay are buffers of the copy and share their memory with the original's. `rows` (forms + 1,
    embedding width) take the place of TRM's table; an encoder has none.
    """
    shared: dict[int, object] = {id(parameter): parameter for parameter in reasoner.parameters()}
    if isinstance(reasoner.context, PuzzleEmbedding):
        shared[id(reasoner.context.table)] = rows
    copy = deepcopy(reasoner, shared)
    for name, parameter in list(copy.named_parameters()):
        owner, _, own_name = name.rpartition(".")
        _replace(copy.get_submodule(owner), own_name, parameter, learns=_learns(name, adaptation))
    if isinstance(adaptation, AdapterAdaptation):
        add_adapters(copy, adaptation.rank, seed)
    return copy


def _learns(name: str, adaptation: LearningAdaptation) -> bool:
    if isinstance(adaptation, EncoderAdaptation):
        return name.startswith(ENCODER)
    return isinstance(adaptation, FullAdaptation)


def _replace(module: nn.Module, name: str, shared: nn.Parameter, *, learns: bool) -> None:
    """A copy of the weight where it learns; otherwise a buffer that is the weight itself."""
    delattr(module, name)
    if learns:
        module.register_parameter(name, nn.Parameter(shared.detach().clone()))
    else:
        module.register_buffer(name, shared.detach())
