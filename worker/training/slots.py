"""What the host knows of the slots of a batch without waiting for the device."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worker.models.reasoner import Carry


class Slots:
    """Which slots are free for a new sample, and which demonstrations lie in them.

    Who halted in a step is copied to the host while the device runs the backward pass; it is asked
    for when the next batch is made. The device never stands still for it.
    """

    def __init__(self, rows: int, demonstrations: int) -> None:
        self.demonstrations = np.zeros((rows, demonstrations), dtype=np.bool_)  # (B, K) that there are
        self._halted = torch.ones(rows, dtype=torch.bool)
        self._copied: torch.cuda.Event | None = None

    def free(self) -> NDArray[np.bool_]:
        """(B,) whose sample is done. Waits for the forward pass that said so, not for what came after."""
        if self._copied is not None:
            self._copied.synchronize()
        free: NDArray[np.bool_] = self._halted.numpy()
        return free

    def admit(self, free: NDArray[np.bool_], demonstrations: NDArray[np.bool_]) -> None:
        """New samples with these demonstrations (n, K) take the n free slots, in order."""
        self.demonstrations[free] = demonstrations

    def indices(self, rows: slice, only: NDArray[np.bool_] | None) -> Tensor:
        """Indices (N,) int64 among (rows x K) where demonstrations lie, of all slots or of `only` (B,)."""
        there = self.demonstrations[rows]
        if only is not None:
            there = there & only[rows, None]
        return torch.from_numpy(np.flatnonzero(there))

    def note_halted(self, rows: slice, halted: Tensor) -> None:
        """Note who of some rows has halted (rows,), as soon as the device knows."""
        if halted.is_cuda and not self._halted.is_pinned():
            self._halted = self._halted.pin_memory()
        self._halted[rows].copy_(halted, non_blocking=True)
        if halted.is_cuda:
            self._copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._copied.record()

    def restore(self, parts: list[slice], carries: list[Carry]) -> None:
        """Learn everything from the saved carries of the parts of the batch."""
        for rows, carry in zip(parts, carries, strict=True):
            self.demonstrations[rows] = carry.batch.demo_mask.cpu().numpy()
            self.note_halted(rows, carry.halted)
