"""Means over a logging interval, summed on the device and read by one wait for it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

AddUp = Callable[[Sequence[Tensor]], None]  # each tensor becomes its sum over all processes


def _alone(tensors: Sequence[Tensor]) -> None:
    """One process is all there are."""


class Sums:
    """Weighted sums by name, in float64. What has no weight in an interval has no value in it."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}  # name -> (2,): weighted sum, weight

    def add(self, values: Mapping[str, Tensor]) -> None:
        """Take in scalars, each with weight 1."""
        if values:
            rows = torch.stack([value.detach().double() for value in values.values()])
            self._put(values, torch.stack((rows, torch.ones_like(rows)), dim=1))

    def add_where(self, chosen: Tensor, values: Mapping[str, Tensor]) -> None:
        """Take in per-sample values (B,), those where `chosen` (B,) is True."""
        rows = torch.stack([value.detach().double() for value in values.values()])
        weight = chosen.double().sum().expand(len(rows))
        self._put(values, torch.stack((torch.where(chosen, rows, 0.0).sum(1), weight), dim=1))

    def read(
        self, extra: Mapping[str, Tensor], counts: Sequence[Tensor] = (), add_up: AddUp = _alone
    ) -> tuple[dict[str, float], list[list[float]]]:
        """The means with `extra` scalars beside them, and the `counts` (n,) of this process; begins a new
        interval. Waits for the device once.

        `add_up` makes sums over all processes of tensors, in place.
        """
        names = [*self._sums, *extra]
        pairs = [
            *self._sums.values(),
            *(torch.stack((v.double(), torch.ones_like(v).double())) for v in extra.values()),
        ]
        flat = torch.cat(pairs)
        add_up([flat])
        numbers: list[float] = torch.cat([flat, *(each.double() for each in counts)]).tolist()
        self._sums = {}
        at = 2 * len(names)
        sums = zip(names, numbers[:at:2], numbers[1:at:2], strict=True)
        parts = []
        for each in counts:
            parts.append(numbers[at : at + len(each)])
            at += len(each)
        return {name: total / weight for name, total, weight in sums if weight}, parts

    def are_finite(self) -> bool:
        """Whether nothing summed so far is infinite or NaN. Waits for the device."""
        return not self._sums or math.isfinite(torch.stack(list(self._sums.values())).sum().item())

    def state_dict(self, add_up: AddUp = _alone) -> dict[str, Tensor]:
        """The sums so far, of all processes."""
        if not self._sums:
            return {}
        stacked = torch.stack(list(self._sums.values()))
        add_up([stacked])
        return dict(zip(self._sums, stacked, strict=True))

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self._sums = dict(state)

    def _put(self, names: Mapping[str, object], pairs: Tensor) -> None:
        for name, pair in zip(names, pairs, strict=True):
            self._sums[name] = self._sums[name] + pair if name in self._sums else pair
