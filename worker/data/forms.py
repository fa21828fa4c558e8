"""Which augmentations of a task look alike: its distinct forms.

A task that a turn leaves as it is, or that lacks colours, looks the same in several of its augmentations.
What it looks like is told by what a solver may see: demonstrations and test inputs, never a test output.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import numpy as np

from backend.domain.arc.grid import COLOURS
from backend.domain.arc.task import Task
from worker.data.augment import DIHEDRALS, Drawn, augmentations
from worker.data.tokens import Cells, as_cells

FEW = 16  # grids that tell most turns apart; the others are looked at where these do not
TRIES = 5  # augmentations drawn per distinct form wanted, at most, as published
TOGETHER = 256  # augmentations that are drawn at once

Mapped = tuple[int, tuple[int, ...]]  # a turn, and for each colour seen the colour that has its place there


class Looks:
    """Tells which augmentations of a task look alike, without drawing them all.

    Views by dihedrals d and e with colours c and p look alike where c recolours the task turned by d to what
    p makes of it turned by e. Whether any recolouring joins two turns depends on the task alone.
    """

    def __init__(self, grids: Iterable[Cells]) -> None:
        grids = list(grids)
        turned = [[turn(cells) for cells in grids] for turn in DIHEDRALS]
        self._seen = tuple(np.unique(np.concatenate([cells.ravel() for cells in grids])).tolist())
        mapped: list[Mapped] = []
        for dihedral, these in enumerate(turned):
            joined = (self._joined(turned[first], these, first) for first in range(dihedral))
            mapped.append(next((each for each in joined if each), (dihedral, self._seen)))
        self._as = np.array([dihedral for dihedral, _ in mapped])  # (8,)
        self._sources = np.array([sources for _, sources in mapped])  # (8, colours seen)

    def keys(self, views: Drawn) -> list[int]:
        """Equal for augmentations that look alike, and for no others."""
        shown = views.colours[np.arange(len(views.dihedrals))[:, None], self._sources[views.dihedrals]]
        keys = self._as[views.dihedrals]
        for place in range(shown.shape[1]):
            keys = keys * COLOURS + shown[:, place]
        found: list[int] = keys.tolist()
        return found

    def _joined(self, first: list[Cells], other: list[Cells], number: int) -> Mapped | None:
        """How `other`, recoloured, is `first`: for each colour of `first` the one that `other` has there."""
        if len(first) > FEW and self._joined(first[:FEW], other[:FEW], number) is None:
            return None
        if any(one.shape != two.shape for one, two in zip(first, other, strict=True)):
            return None
        one, two = (np.concatenate([cells.ravel() for cells in grids]) for grids in (first, other))
        pairs = np.unique(one.astype(np.int64) * COLOURS + two)
        mapping = {int(pair) // COLOURS: int(pair) % COLOURS for pair in pairs}
        is_recolouring = len(pairs) == len(mapping) == len(set(mapping.values()))
        keeps_black = all((colour == 0) == (image == 0) for colour, image in mapping.items())
        if not (is_recolouring and keeps_black):
            return None
        return number, tuple(mapping.get(colour, colour) for colour in self._seen)


def distinct(task: Task, seed: int, numbers: Sequence[int]) -> Iterator[int]:
    """Those of these numbers whose augmentations look like none before them."""
    return _distinct(task.id, map(as_cells, task.visible_grids), seed, numbers)


def _distinct(task_id: str, grids: Iterable[Cells], seed: int, numbers: Sequence[int]) -> Iterator[int]:
    looks, met = Looks(grids), set()
    for first in range(0, len(numbers), TOGETHER):
        some = numbers[first : first + TOGETHER]
        views = augmentations(seed, ((task_id, number) for number in some))
        for number, key in zip(some, looks.keys(views), strict=True):
            if key not in met:
                met.add(key)
                yield number


def distinct_forms(task: Task, seed: int, wanted: int) -> tuple[int, ...]:
    """Numbers of the first `wanted` distinct augmentations of a task, fewer where it has fewer; 0 is the
    original."""
    return distinct_forms_of(task.id, map(as_cells, task.visible_grids), seed, wanted)


def distinct_forms_of(task_id: str, grids: Iterable[Cells], seed: int, wanted: int) -> tuple[int, ...]:
    """The same of a task that looks like these grids; none wanted, none looked at."""
    if not wanted:
        return ()
    return tuple(islice(_distinct(task_id, grids, seed, range(TRIES * wanted)), wanted))
