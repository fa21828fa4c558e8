"""TRM's context: one learned row of numbers per augmented puzzle."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from worker.kit.batch import Batch
from worker.kit.noise import Noise
from worker.models.context.source import ContextOutput, SourceModule, State


class PuzzleEmbedding(SourceModule):
    """Row `batch.puzzle`, zero-padded to T x D. Row 0 is for unknown puzzles; all start at zero.

    The table is a buffer: only the rows of a batch get a gradient, on a copy that the sparse optimiser
    takes with `take_used`.
    """

    table: Tensor  # (rows, embedding width)

    def __init__(self, rows: int, embedding_width: int, tokens: int, width: int) -> None:
        super().__init__()
        self.tokens = tokens
        self.width = width
        self.register_buffer("table", torch.zeros(rows, embedding_width))
        self._used: list[tuple[Tensor, Tensor]] = []

    def take_used(self) -> list[tuple[Tensor, Tensor]]:
        """Ids (B,) and rows (B, embedding width) of each pass in training since the last call."""
        used, self._used = self._used, []
        return used

    def forward(self, batch: Batch, state: State, noise: Noise | None) -> ContextOutput:
        rows = self.table[batch.puzzle]
        if self.training:
            rows.requires_grad_()
            self._used.append((batch.puzzle, rows))
        return ContextOutput(self.expand(rows), latent=rows)

    def expand(self, latent: Tensor) -> Tensor:
        padded = F.pad(latent, (0, self.tokens * self.width - latent.shape[1]))
        return padded.view(-1, self.tokens, self.width)
