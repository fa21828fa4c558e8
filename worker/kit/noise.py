"""The random numbers of one training step, drawn for the whole batch wherever it is worked on.

A batch may be split over processes and parts (gradient accumulation). Each then draws the numbers of all
samples and keeps its own rows, so a split changes nothing but rounding.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

_SALT = 2 << 32  # keeps these draws apart from others of the same seed; above every seed


class Noise:
    """Draws for the rows `first` to `first + rows` of a batch of `total`, a pure function of (seed, step).

    Two objects made alike draw alike: call them in the same order. Numbers are drawn on the CPU, so they are
    the same on every device, and are sent on without a wait.
    """

    def __init__(self, seed: int, step: int, first: int, rows: int, total: int) -> None:
        philox = np.random.Philox(key=[seed + _SALT, 0], counter=[0, step, 0, 0])
        self._generator = np.random.Generator(philox)
        self._rows = slice(first, first + rows)
        self._total = total

    @classmethod
    def whole(cls, seed: int, step: int, total: int) -> Noise:
        """For a batch in one piece."""
        return cls(seed, step, 0, total, total)

    def uniform(self, like: Tensor) -> Tensor:
        """Float32 in [0, 1), in the shape (B, ...) and on the device of `like`."""
        return self._draw(like, lambda shape: self._generator.random(shape, dtype=np.float32))

    def normal(self, like: Tensor) -> Tensor:
        """Float32 from a standard normal, in the shape and on the device of `like`."""
        return self._draw(like, lambda shape: self._generator.standard_normal(shape, dtype=np.float32))

    def integers(self, low: int, high: int, like: Tensor) -> Tensor:
        """Int64 from `low` to below `high`, in the shape and on the device of `like`."""
        return self._draw(like, lambda shape: self._generator.integers(low, high, shape))

    def _draw(self, like: Tensor, draw: Callable[[tuple[int, ...]], np.ndarray]) -> Tensor:
        drawn = draw((self._total, *like.shape[1:]))[self._rows]
        return torch.from_numpy(drawn).to(like.device, non_blocking=True)
