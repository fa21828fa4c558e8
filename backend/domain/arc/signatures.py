"""What a pair has in common with all its augmentations, told in microseconds.

A canonical form takes some hundred times longer, too long for the 400,000 pairs of a set in RE-ARC's form:
it is computed only for pairs whose signatures meet.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from backend.domain.arc.pool import PackedPair
from backend.domain.arc.task import Task

Place = tuple[str, Task, int]  # set, task, number of the pair among `pairs_of` it
_COLOURS = bytes(range(1, 10))


class Signatures:
    """The pairs of many tasks, found by what they have in common with their augmentations."""

    def __init__(self, places: Iterable[tuple[Place, PackedPair]]) -> None:
        self._places: dict[bytes, list[Place]] = defaultdict(list)
        self._shapes: set[bytes] = set()
        for place, pair in places:
            shape = _shape(pair.sizes)
            self._shapes.add(shape)
            self._places[shape + _counts(pair)].append(place)

    def like(self, pair: PackedPair) -> Sequence[Place]:
        """Every pair that may be an augmentation of this one; most that are none are not among them."""
        shape = _shape(pair.sizes)
        if shape not in self._shapes:
            return ()
        return self._places.get(shape + _counts(pair), ())


def pairs_of(task: Task) -> Iterator[PackedPair]:
    """All pairs of a task whose outputs are known: of one with a pool those of the pool."""
    if task.pool:
        yield from task.pool
        return
    for pair in task.demonstrations:
        yield PackedPair.of(pair.input, pair.output)
    for test in task.tests:
        if test.output is not None:
            yield PackedPair.of(test.input, test.output)


def _shape(sizes: bytes) -> bytes:
    """The sizes of both grids; on its side a pair has the same."""
    height, width, other_height, other_width = sizes
    return min(sizes, bytes((width, height, other_width, other_height)))


def _counts(pair: PackedPair) -> bytes:
    """How often each colour occurs in the input and in the output, whichever colour it is; black is black."""
    given, answer = pair.grids
    others = sorted((given.count(colour), answer.count(colour)) for colour in _COLOURS)
    return repr((given.count(0), answer.count(0), others)).encode()
