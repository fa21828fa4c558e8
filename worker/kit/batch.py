"""The tensors that data hands to models."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch import Tensor

PAD, EOS, FIRST_COLOUR, VOCABULARY = 0, 1, 2, 12
IGNORE = -100  # label of canvas cells that are neither colour nor EOS


class Region(NamedTuple):
    """The top left part of a square canvas that the core works on; cells keep their places on the canvas."""

    height: int
    width: int
    side: int  # of the canvas

    @property
    def cells(self) -> int:
        return self.height * self.width

    def places(self, device: torch.device | None = None) -> Tensor:
        """The numbers (height * width,) that its cells have on the canvas, row by row."""
        rows, columns = (torch.arange(length, device=device) for length in (self.height, self.width))
        return (rows[:, None] * self.side + columns).flatten()

    def cut(self, canvases: Tensor) -> Tensor:
        """Its cells (..., height * width) of whole canvases (..., side * side)."""
        whole = canvases.reshape(*canvases.shape[:-1], self.side, self.side)
        return whole[..., : self.height, : self.width].flatten(-2)


class Batch(NamedTuple):
    """B samples on one square canvas of S cells, with up to K demonstrations each.

    Token ids are uint8 and labels int8, so that little is kept and sent; models widen them where they look
    them up. Any other integer dtype gives the same numbers.
    """

    inputs: Tensor  # (B, S); of a region its cells alone
    labels: Tensor  # (B, S), IGNORE where nothing is scored; of a region its cells alone
    demo_inputs: Tensor  # (B, K, S)
    demo_outputs: Tensor  # (B, K, S), PAD where nothing is
    demo_mask: Tensor  # (B, K) bool, True for real demonstrations
    puzzle: Tensor  # (B,) int64, row of the puzzle table, 0 where the puzzle is unknown
    # (N,) int64: where among the B x K places the N demonstrations lie that are to be encoded in this step,
    # after halted slots took their samples. None: look for them on the device, which waits for it.
    places: Tensor | None = None
    region: Region | None = None  # None: the core works on the whole canvas

    @property
    def rows(self) -> tuple[Tensor, ...]:
        """What there is of each sample: every field but `places` and `region`."""
        return self[:-2]

    def map(self, change: Callable[[Tensor], Tensor]) -> Batch:
        """Every row tensor changed; where demonstrations lie is not known of the result."""
        return Batch.of(map(change, self.rows), region=self.region)

    @classmethod
    def of(cls, rows: Iterable[Tensor], places: Tensor | None = None, region: Region | None = None) -> Batch:
        """Of the fields in `rows`, in their order."""
        inputs, labels, demo_inputs, demo_outputs, demo_mask, puzzle = rows
        return cls(inputs, labels, demo_inputs, demo_outputs, demo_mask, puzzle, places, region)

    def to(self, device: torch.device) -> Batch:
        """On `device`, sent without a wait."""
        places = None if self.places is None else send(self.places, device)
        return self.map(lambda tensor: send(tensor, device))._replace(places=places)

    def narrowed(self) -> Batch:
        """In the dtypes of today: earlier versions kept tokens as int64 in their checkpoints."""
        tokens = {
            name: getattr(self, name).to(torch.uint8) for name in ("inputs", "demo_inputs", "demo_outputs")
        }
        return self._replace(**tokens, labels=self.labels.to(torch.int8))

    def with_rows(self, rows: Tensor, new: Batch) -> Batch:
        """These samples with those of `new` (n, ...) in the rows (n,), on the same device."""
        return Batch.of(
            old.index_copy(0, rows, taken.to(old.dtype))
            for old, taken in zip(self.rows, new.rows, strict=True)
        )


def labels_of(outputs: Tensor) -> Tensor:
    """Output tokens as labels, int8: PAD becomes IGNORE."""
    return outputs.to(torch.int8).masked_fill(outputs == PAD, IGNORE)


def send(tensor: Tensor, device: torch.device) -> Tensor:
    """On `device`, without a wait."""
    # Only pinned memory is copied while the program runs.
    return (tensor.pin_memory() if device.type == "cuda" else tensor).to(device, non_blocking=True)
