"""The training input: samples drawn ahead in a thread, and only new ones sent to the device.

A sample is a function of seed, canvas and number, so drawing ahead changes none; what is drawn and not taken
does not count. See docs/decisions/speed.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worker.data.batches import BatchStream

TOGETHER = 16  # samples that are drawn at once
BUFFERS = 3  # of pinned memory; the device has read the first long before it is its turn again

Packed = NDArray[np.uint8]  # (n, stride) samples, see `Layout`


class Loader:
    """New samples of every canvas. One thread draws those that the next steps may ask for."""

    def __init__(self, streams: Mapping[int, BatchStream], ahead: int) -> None:
        """`ahead` are samples of each canvas: as many as a step can ask for."""
        self.streams = streams
        self._ahead = ahead
        self._thread = ThreadPoolExecutor(1, "training-input")
        self._drawn: dict[int, dict[int, Future[Packed]]] = {side: {} for side in streams}
        self._drawing = Lock()  # a stream remembers the pass it is in

    def take(self, side: int, wanted: NDArray[np.bool_], rows: slice) -> Packed:
        """The next samples of a canvas for the slots in `rows` of those `wanted` (B,), in order.

        All that are wanted count as drawn: other processes take the others.
        """
        stream = self.streams[side]
        before, count = int(wanted[: rows.start].sum()), int(wanted[rows].sum())
        first = stream.position + before
        pieces = [np.empty((0, stream.layout.stride), dtype=np.uint8)]
        for number in range(first // TOGETHER, -(-(first + count) // TOGETHER)):
            start = number * TOGETHER
            pieces.append(self._piece(side, number)[max(first - start, 0) : first + count - start])
        stream.position += int(wanted.sum())
        self._draw_ahead(side, stream.position + before)
        return np.concatenate(pieces)

    def _piece(self, side: int, number: int) -> Packed:
        """Samples `number` x TOGETHER and on; drawn here where the thread has not begun with them."""
        drawn = self._drawn[side].get(number)
        if drawn is None or drawn.cancel():
            drawn = self._drawn[side][number] = Future()
            drawn.set_result(self._draw(side, number))
        return drawn.result()

    def _draw_ahead(self, side: int, first: int) -> None:
        """Have the thread draw what may be asked for next, and forget the rest."""
        drawn = self._drawn[side]
        coming = range(first // TOGETHER, -(-(first + self._ahead) // TOGETHER))
        for number in [number for number in drawn if number not in coming]:
            drawn.pop(number).cancel()
        for number in coming:
            if number not in drawn:
                drawn[number] = self._thread.submit(self._draw, side, number)

    def _draw(self, side: int, number: int) -> Packed:
        with self._drawing:
            return self.streams[side].draw(number * TOGETHER, TOGETHER)


class Sender:
    """Sends bytes to a device. For a GPU they pass through pinned buffers, which are used in turn."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._buffers = [torch.empty(0, dtype=torch.uint8) for _ in range(BUFFERS)]
        self._copied: list[torch.cuda.Event | None] = [None] * BUFFERS
        self._turn = 0

    def send(self, packed: Packed) -> Tensor:
        """The same (n, stride) on the device, sent without a wait. On a CPU the memory is shared."""
        tensor = torch.from_numpy(packed)
        if self._device.type != "cuda":
            return tensor
        turn = self._turn = (self._turn + 1) % BUFFERS
        copied = self._copied[turn]
        if copied is not None:
            copied.synchronize()
        if self._buffers[turn].numel() < tensor.numel():
            self._buffers[turn] = torch.empty(tensor.numel(), dtype=torch.uint8, pin_memory=True)
        pinned = self._buffers[turn][: tensor.numel()].view(tensor.shape)
        pinned.copy_(tensor)
        sent = pinned.to(self._device, non_blocking=True)
        self._copied[turn] = torch.cuda.Event()  # type: ignore[no-untyped-call]
        self._copied[turn].record()  # type: ignore[union-attr]
        return sent
