"""Histograms of weights, gradients and contexts while a run trains, counted on the device.

The bins are those of `backend.domain.histograms`: a number's bin is the leading bits of its float32, so that
nothing is compared and nobody waits. What is counted stays on the device until the trainer reads its numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from backend.domain.histograms import (
    CODES,
    CONTEXT_DEVIATION,
    CONTEXT_VALUES,
    GRADIENTS,
    WEIGHTS,
    Histogram,
    of_codes,
)
from worker.models.context.puzzle_embedding import PuzzleEmbedding
from worker.models.reasoner import Reasoner
from worker.training.ranks import Ranks

_SHIFT = 32 - 11  # leaves the leading bits: CODES is 2^11
MOST = 1 << 20  # numbers of TRM's table that are counted: evenly spread rows of one that has more


def counted(tensors: Iterable[Tensor], device: torch.device) -> Tensor:
    """How many numbers have which leading bits as float32, (2048,) int64; without a wait for the device."""
    counts = torch.zeros(CODES, dtype=torch.int64, device=device)
    for tensor in tensors:
        codes = (tensor.reshape(-1).float().view(torch.int32) >> _SHIFT) & (CODES - 1)
        counts.scatter_add_(0, codes.long(), counts.new_ones(1).expand(len(codes)))
    return counts


class Histograms:
    """What is due is counted after a step, and read with the other numbers of its interval.

    Of several processes the first one counts: all have the same weights and the same gradients, and contexts
    are gathered.
    """

    def __init__(self, every: int | None, reasoner: Reasoner, ranks: Ranks) -> None:
        self.every = every
        self._ranks = ranks
        self._table = reasoner.context.table if isinstance(reasoner.context, PuzzleEmbedding) else None
        self._groups: dict[str, list[nn.Parameter]] = {}
        for name, parameter in reasoner.named_parameters():
            self._groups.setdefault(_group_of(name), []).append(parameter)
        self._waiting: dict[str, Tensor] = {}  # "STEP NAME" -> counts, on the device
        self._read: dict[int, dict[str, Histogram]] = {}

    @torch.no_grad()
    def after(self, step: int, contexts: Sequence[Tensor]) -> None:
        """Count, if it is due after `step` finished steps: weights, the gradients that led to them, and the
        contexts, (B, T, D) for each part of this process's batch."""
        if self.every is None or (step % self.every and step != 1):
            return
        whole = self._ranks.gather(torch.cat([context.detach().float() for context in contexts]))
        if self._ranks.is_first:
            for name, tensors in self._tensors(whole).items():
                self._waiting[f"{step} {name}"] = counted(tensors, whole.device)

    def _tensors(self, contexts: Tensor) -> dict[str, list[Tensor]]:
        found = {CONTEXT_VALUES: [contexts], CONTEXT_DEVIATION: [contexts.std(0, correction=0)]}
        for group, parameters in self._groups.items():
            found[WEIGHTS + group] = [parameter.detach() for parameter in parameters]
            gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
            if gradients:
                found[GRADIENTS + group] = gradients
        if self._table is not None:
            found[f"{WEIGHTS}puzzles"] = [self._table[:: -(-self._table.numel() // MOST)]]
        return found

    @property
    def waiting(self) -> list[Tensor]:
        """What was counted since the last reading."""
        return list(self._waiting.values())

    def read(self, numbers: Sequence[Sequence[float]]) -> None:
        """Take what is `waiting`, as numbers of the host."""
        for key, counts in zip(self._waiting, numbers, strict=True):
            step, _, name = key.partition(" ")
            self._read.setdefault(int(step), {})[name] = of_codes(counts)
        self._waiting = {}

    def take(self) -> dict[int, dict[str, Histogram]]:
        """Step -> name -> histogram, of what was read since the last call."""
        read, self._read = self._read, {}
        return read

    def state_dict(self) -> dict[str, Tensor]:
        """What waits."""
        return dict(self._waiting)

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Continue with what waited."""
        self._waiting = dict(state) if self._ranks.is_first else {}


def _group_of(parameter: str) -> str:
    """The group of a parameter by its name: encoder, core_1, core_2, …, heads, embeddings."""
    if parameter.startswith("context."):
        return "encoder"
    if parameter.startswith(("token_head.", "halt_head.")):
        return "heads"
    if parameter.startswith("core.embedding."):
        return "embeddings"
    blocks = "core.recursion.blocks."
    if parameter.startswith(blocks):
        return f"core_{int(parameter.removeprefix(blocks).partition('.')[0]) + 1}"
    return "core"
