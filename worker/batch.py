"""The tensors that data hands to models."""

from __future__ import annotations

from typing import NamedTuple

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
