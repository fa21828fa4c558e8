"""Tasks with many pairs: at each visit demonstrations and queries are drawn from the pool, without overlap.

A draw is a pure function of (seed, task, visit). The pairs that are asked go through the pool in an order
drawn once for each pass over it, so that every pair is asked as often as any other; what is shown beside
them is drawn again at each visit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from backend.domain.arc.pool import PairPool
from backend.domain.experiment import DataConfig
from worker.data.tokens import Cells

_SALT = 5 << 32  # keeps these draws apart from others of the same seed; above every seed


class PooledPairs(Sequence[tuple[Cells, Cells]]):
    """The pairs of a pool that fit a canvas, as arrays (height, width) that share one buffer."""

    def __init__(self, pool: PairPool, side: int) -> None:
        layout = pool.layout
        sizes = np.frombuffer(layout.sizes, dtype=np.uint8).reshape(-1, 2, 2)  # (pairs, grids, lengths)
        areas = sizes.astype(np.int64).prod(2)
        ends = areas.ravel().cumsum().reshape(-1, 2)
        fitting = sizes.max((1, 2)) <= side
        self._cells = np.frombuffer(layout.cells, dtype=np.uint8)
        self._sizes, self._starts = sizes[fitting], (ends - areas)[fitting]
        self.left_out = int((~fitting).sum())

    def __len__(self) -> int:
        return len(self._sizes)

    @overload
    def __getitem__(self, place: int) -> tuple[Cells, Cells]: ...
    @overload
    def __getitem__(self, place: slice) -> list[tuple[Cells, Cells]]: ...
    def __getitem__(self, place: int | slice) -> tuple[Cells, Cells] | list[tuple[Cells, Cells]]:
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(len(self)))]
        return self._grid(place, 0), self._grid(place, 1)

    def _grid(self, place: int, which: int) -> Cells:
        height, width = (int(length) for length in self._sizes[place, which])
        start = int(self._starts[place, which])
        return self._cells[start : start + height * width].reshape(height, width)


def fitting_side(pool: PairPool, sizes: Sequence[int]) -> int | None:
    """The smallest of the ascending `sizes` that holds every pair, else the largest, whose pairs that do not
    fit are left out; None where fewer than two fit."""
    if pool.needed_side > sizes[-1]:
        return None
    return next((size for size in sizes if pool.side <= size), sizes[-1])


class Drawn(NamedTuple):
    """What a visit asks, and for each what is shown beside it: places in the task's pairs."""

    asked: tuple[int, ...]
    shown: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class PoolDraw:
    """How demonstrations and queries are drawn from a pool of `size` pairs.

    With `among_asked` the pairs asked are shown to one another, as leave-one-out does; otherwise others are.
    """

    task_id: str
    seed: int
    size: int
    fewest: int  # demonstrations
    most: int
    asked: int  # pairs asked at a visit
    among_asked: bool
    _pass: dict[int, NDArray[np.int64]] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, config: DataConfig, seed: int, task_id: str, size: int) -> PoolDraw:
        """As a config says: `data.query` decides what is asked of the pairs drawn."""
        most = min(config.max_drawn_demonstrations, config.max_demonstrations, size - 1)
        fewest = min(config.min_drawn_demonstrations, most)
        among_asked = config.query == "each"
        together = config.drawn_queries + (most if among_asked else 0)
        asked = together if config.query in ("each", "each_test") else 1
        return cls(
            task_id=task_id,
            seed=seed,
            size=size,
            fewest=fewest,
            most=most,
            asked=min(asked, size if among_asked else size - fewest),
            among_asked=among_asked,
        )

    @property
    def together(self) -> int:
        """Pairs of a visit, at most."""
        return self.asked if self.among_asked else min(self.size, self.asked + self.most)

    def visit(self, number: int) -> Drawn:
        """What visit `number` of the task draws; any can be drawn without those before it."""
        passes, block = divmod(number, self.size // self.asked)
        order = self._order(passes)
        start = block * self.asked
        asked = tuple(order[start : start + self.asked].tolist())
        generator = self._generator(number, 1)
        if self.among_asked:
            others = [[pair for pair in asked if pair != each] for each in asked]
            return Drawn(asked, tuple(self._some(other, generator) for other in others))
        rest = np.concatenate((order[:start], order[start + self.asked :]))
        return Drawn(asked, (self._some(rest, generator),) * len(asked))

    def _some(
        self, others: Sequence[int] | NDArray[np.int64], generator: np.random.Generator
    ) -> tuple[int, ...]:
        """`fewest` to `most` of the others: the first swaps of a shuffle, which keeps what it moved."""
        most = min(self.most, len(others))
        fewest = min(self.fewest, most)
        draws = generator.random(1 + self.most)
        count = fewest + int(draws[0] * (most - fewest + 1))
        moved: dict[int, int] = {}
        chosen = []
        for place in range(count):
            other = place + int(draws[1 + place] * (len(others) - place))
            chosen.append(int(others[moved.get(other, other)]))
            moved[other] = moved.get(place, place)
        return tuple(chosen)

    def _order(self, number: int) -> NDArray[np.int64]:
        """The pool in the order of pass `number` over it; the last one drawn is kept."""
        if number not in self._pass:
            self._pass.clear()
            self._pass[number] = self._generator(number, 0).random(self.size).argsort()
        return self._pass[number]

    def _generator(self, number: int, kind: int) -> np.random.Generator:
        digest = blake2b(self.task_id.encode(), digest_size=7).digest()
        key = [self.seed + _SALT, int.from_bytes(digest, "little")]
        return np.random.Generator(np.random.Philox(key=key, counter=[0, number, kind, 0]))
