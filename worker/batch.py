"""The tensors that data hands to models."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

PAD, EOS, FIRST_COLOUR, VOCABULARY = 0, 1, 2, 12
IGNORE = -100  # label of canvas cells that are neither colour nor EOS


class Batch(NamedTuple):
    """B samples on one square canvas of S cells, with up to K demonstrations each. Token ids, int64."""

    inputs: Tensor  # (B, S)
    labels: Tensor  # (B, S), IGNORE where nothing is scored
    demo_inputs: Tensor  # (B, K, S)
    demo_outputs: Tensor  # (B, K, S), PAD where nothing is
    demo_mask: Tensor  # (B, K) bool, True for real demonstrations
    puzzle: Tensor  # (B,) row of the puzzle table, 0 where the puzzle is unknown
    # (N,) int64: where among the B x K places the N demonstrations lie that are to be encoded in this step,
    # after halted slots took their samples. None: look for them on the device, which waits for it.
    places: Tensor | None = None

    @property
    def rows(self) -> tuple[Tensor, ...]:
        """What there is of each sample: every field but `places`."""
        return self[:-1]

    def map(self, change: Callable[[Tensor], Tensor]) -> Batch:
        """Every row tensor changed; where demonstrations lie is not known of the result."""
        return Batch(*map(change, self.rows))

    def to(self, device: torch.device) -> Batch:
        """On `device`, sent without a wait."""
        places = None if self.places is None else _send(self.places, device)
        return self.map(lambda tensor: _send(tensor, device))._replace(places=places)


def _send(tensor: Tensor, device: torch.device) -> Tensor:
    # Only pinned memory is copied while the program goes on.
    return (tensor.pin_memory() if device.type == "cuda" else tensor).to(device, non_blocking=True)
