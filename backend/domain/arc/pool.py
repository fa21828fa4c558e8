"""Many pairs of one rule, as RE-ARC's archives hold them, and which of them an evaluation asks.

A pool is kept packed: as Python lists 400 tasks of 1,000 pairs would take gigabytes, packed they take tens of
megabytes (docs/decisions/pair-pools.md).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import NamedTuple

from backend.domain.arc.grid import Grid
from backend.domain.arc.task import Pair, Task, TestPair

MAX_PAIRS = 10_000  # of a task; RE-ARC has 1,000
MIN_PAIRS = 2  # different ones: one to show, one to ask
# What an evaluation shows and asks of a pool: about what an ARC task has.
DEMONSTRATIONS = 4
TESTS = 1
_SIZES = 4  # bytes: height and width of the input, then of the output
_COUNT = 4  # bytes of the number of pairs


class PackedPair(NamedTuple):
    """A pair as bytes, one a cell, row by row."""

    sizes: bytes  # height and width of the input, then of the output
    cells: bytes  # of the input, then of the output

    @property
    def grids(self) -> tuple[bytes, bytes]:
        """The cells of the input and of the output."""
        asked = self.sizes[0] * self.sizes[1]
        return self.cells[:asked], self.cells[asked:]

    @property
    def pair(self) -> Pair:
        given, answer = self.grids
        return Pair(_grid(given, self.sizes[1]), _grid(answer, self.sizes[3]))

    @classmethod
    def of(cls, given: Grid, answer: Grid) -> PackedPair:
        sizes = bytes((given.height, given.width, answer.height, answer.width))
        return cls(sizes, bytes(given.cells) + bytes(answer.cells))


class Layout(NamedTuple):
    """A pool unpacked: `sizes` 4 bytes a pair, `cells` a byte each, pair after pair."""

    sizes: bytes
    cells: bytes


class PairPool:
    """Pairs of one rule, all different, in the order of their file."""

    __slots__ = ("_packed", "_size")

    def __init__(self, packed: bytes) -> None:
        """Of what `packed` gave."""
        self._packed = packed
        self._size = int.from_bytes(zlib.decompressobj().decompress(packed, _COUNT), "little")

    @classmethod
    def of(cls, pairs: Iterable[PackedPair]) -> PairPool:
        """The pairs, equal ones once."""
        different = list(dict.fromkeys(pairs))
        parts = [len(different).to_bytes(_COUNT, "little")]
        parts += [pair.sizes for pair in different]
        parts += [pair.cells for pair in different]
        return cls(zlib.compress(b"".join(parts)))

    @property
    def packed(self) -> bytes:
        """For a database: zlib of the number of pairs, all sizes, all cells."""
        return self._packed

    @property
    def layout(self) -> Layout:
        """Unpacked at every call again: a megabyte or two."""
        raw = zlib.decompress(self._packed)
        end = _COUNT + _SIZES * self._size
        return Layout(raw[_COUNT:end], raw[end:])

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[PackedPair]:
        sizes, cells = self.layout
        start = 0
        for place in range(0, len(sizes), _SIZES):
            of_pair = sizes[place : place + _SIZES]
            end = start + of_pair[0] * of_pair[1] + of_pair[2] * of_pair[3]
            yield PackedPair(of_pair, cells[start:end])
            start = end

    def __eq__(self, other: object) -> bool:
        """Whether the pairs and their order are the same, whatever packed them."""
        if not isinstance(other, PairPool):
            return NotImplemented
        return self._packed == other._packed or self.layout == other.layout

    def __hash__(self) -> int:
        return hash(self._size)

    def __repr__(self) -> str:
        return f"PairPool({self._size} pairs)"

    @property
    def side(self) -> int:
        """The longest side of any grid."""
        return max(self.layout.sizes)

    @property
    def needed_side(self) -> int:
        """Of the smallest canvas on which there is a pair to show and another to ask."""
        sizes = self.layout.sizes
        sides = sorted(max(sizes[place : place + _SIZES]) for place in range(0, len(sizes), _SIZES))
        return sides[MIN_PAIRS - 1]


def task_of(task_id: str, pool: PairPool) -> Task:
    """The task of a pool. Its demonstrations and tests are a draw from it that is the same wherever the same
    pairs are imported: those whose digest with the task's id is least, whatever their order in the file."""
    pairs = sorted(pool, key=lambda pair: _rank(task_id, pair))
    tests = min(TESTS, len(pairs) - 1)
    drawn = [each.pair for each in pairs[: DEMONSTRATIONS + tests]]
    asked = [TestPair(pair.input, pair.output) for pair in drawn[:tests]]
    return Task(task_id, tuple(drawn[tests:]), tuple(asked), pool)


def _rank(task_id: str, pair: PackedPair) -> bytes:
    return blake2b(pair.sizes + pair.cells, digest_size=16, key=blake2b(task_id.encode()).digest()).digest()


def _grid(cells: bytes, width: int) -> Grid:
    return Grid(tuple(tuple(cells[start : start + width]) for start in range(0, len(cells), width)))
