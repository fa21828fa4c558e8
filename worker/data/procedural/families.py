"""Families of tasks: which rules there are, and what the pairs of a task look like.

Task `number` of a family and split is a pure function of the three. A task is drawn again until its
demonstrations determine the answer: no other rule of the family explains them and asks for another one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

import numpy as np

from backend.domain.arc.grid import Grid
from backend.domain.arc.leaks import generated_id
from backend.domain.arc.task import Pair, Task, TestPair
from backend.domain.experiment import GENERATED_FAMILIES, GeneratedFamily
from worker.data.augment import DIHEDRALS
from worker.data.procedural.counting import COUNTED, EXTREMES, Bar
from worker.data.procedural.kinds import Deciding, Kind, Pairs, TwoSteps, objects_input, random_input
from worker.data.procedural.logic import Property
from worker.data.procedural.objects import WHICH, Pick
from worker.data.procedural.operations import (
    Crop,
    Fall,
    Fill,
    Operation,
    Roll,
    Shift,
    Tile,
    Turn,
)
from worker.data.procedural.recolouring import Moves, Recolouring
from worker.data.procedural.rules import UNCHANGED, Rule, Split, split_of
from worker.data.procedural.symmetry import DIRECTIONS
from worker.data.tokens import Cells

_ATTEMPTS = 2000  # a family that needs more is not what it says
_MAX_SIDE = 10  # of every grid: all families fit a canvas of 10


@dataclass(frozen=True)
class Family:
    """Tasks of one kind."""

    about: GeneratedFamily
    kind: Kind
    demonstrations: int
    tests: int  # that a training task asks; a test task asks one
    easier: bool = False  # whether demonstrations of a training task may show less at a time
    repeats: int = 1  # tasks of a test set that may follow one rule

    @property
    def name(self) -> str:
        return self.about.name

    @property
    def title(self) -> str:
        return self.about.title

    def split(self, rule: Rule) -> Split:
        """Where a rule belongs: by its orbit, or by its function where orbits are too few to part."""
        return split_of(rule.orbit if self.about.augmentable else rule.name)


_TURNS = tuple(Turn(dihedral) for dihedral in range(len(DIHEDRALS)))
_FALLS = tuple(Fall(towards) for towards in DIRECTIONS)
_STAY = Turn(0)
_LAST_MOVES: tuple[Moves, ...] = (
    (),
    (Crop(),),
    (Fill(1),),
    (Fill(2),),
    (Tile(2, 1),),
    (Tile(1, 2),),
    (Tile(2, 2),),
    *((fall,) for fall in _FALLS),
    *((Shift(down, right),) for down in (-1, 0, 1) for right in (-1, 0, 1) if down or right),
)


def _steps(reach: int) -> Iterator[tuple[int, int]]:
    """All moves by up to `reach` rows and columns, but for none."""
    around = range(-reach, reach + 1)
    return ((down, right) for down in around for right in around if down or right)


_TRANSPORTS: tuple[Operation, ...] = (
    *_FALLS,
    *(Shift(*step) for step in _steps(2)),
    *(Roll(*step) for step in _steps(2)),
)
_BARS = tuple(
    Bar(colour, counted, more, thickness, lies)
    for colour in EXTREMES
    for counted in COUNTED
    for more in range(3)
    for thickness in (1, 2, 3)
    for lies in (True, False)
)
_PICKS = tuple(
    pick
    for which in WHICH
    for pick in (
        Pick(which, "keep"),
        Pick(which, "remove"),
        Pick(which, "crop"),
        *(Pick(which, "paint", colour) for colour in range(1, 10)),
    )
)
_PROPERTIES = (Property("odd"), Property("many"), *(Property("has", colour) for colour in range(1, 10)))

_KINDS: dict[str, tuple[Kind, int, int]] = {  # kind, demonstrations, tests of a training task
    "control": (Recolouring(5, 3, ((),), (3, 3), 1.0), 3, 2),
    "compose": (
        Recolouring(9, 3, tuple((turn, *last) for turn in _TURNS for last in _LAST_MOVES), (3, 5), 0.5),
        4,
        1,
    ),
    "ladder/recolour": (Recolouring(9, 3, ((),), (3, 5), 0.6), 3, 1),
    "ladder/move": (TwoSteps(_TURNS, _TRANSPORTS, (2, 4), random_input((5, 7), 0.5)), 3, 1),
    "ladder/compose": (
        Recolouring(
            9,
            3,
            tuple((turn, *last) for turn in _TURNS for last in ((), *((fall,) for fall in _FALLS))),
            (3, 5),
            0.5,
        ),
        4,
        1,
    ),
    "ladder/count": (TwoSteps(_BARS, (_STAY,), (2, 4), random_input((3, 5), 0.3)), 4, 1),
    "ladder/conditional": (
        Deciding(_PROPERTIES, (*_TURNS, *_FALLS), (3, 4), random_input((4, 6), 0.4)),
        6,
        1,
    ),
    "ladder/object": (TwoSteps(_PICKS, _TURNS, (2, 4), objects_input((7, 9), (2, 4), 3)), 4, 1),
}
# Families with fewer test rules than test tasks: how many tasks may share one.
_REPEATS = {"ladder/move": 2, "ladder/count": 5, "ladder/object": 2}

FAMILIES: dict[str, Family] = {
    name: Family(about, *_KINDS[name], easier=name == "control", repeats=_REPEATS.get(name, 1))
    for name, about in GENERATED_FAMILIES.items()
}


@lru_cache(maxsize=4)
def tasks_of(family: Family, split: Split) -> tuple[Task, ...]:
    """All tasks of a split, in id order."""
    return tuple(task for task, _ in draws_of(family, split, family.about.size(split)))


def draws_of(family: Family, split: Split, count: int) -> Iterator[tuple[Task, Rule]]:
    """The first tasks of a split, each with its rule. In a test set few tasks, mostly one, share a rule."""
    drawn: dict[str, int] = {}
    number, last = 0, 1000 + 50 * count
    while count:
        if number > last:
            raise RuntimeError(f"family {family.name} has too few rules for its {split} set")
        task, rule = draw_task(family, split, number)
        number += 1
        if split == "test" and drawn.get(rule.name, 0) == family.repeats:
            continue
        drawn[rule.name] = drawn.get(rule.name, 0) + 1
        yield task, rule
        count -= 1


def draw_task(family: Family, split: Split, number: int) -> tuple[Task, Rule]:
    """Task `number` of a family and split, and its rule."""
    seed = blake2b(f"{family.name}/{split}".encode(), digest_size=8).digest()
    philox = np.random.Philox(key=[int.from_bytes(seed, "little"), number])
    generator = np.random.Generator(philox)
    for _ in range(_ATTEMPTS):
        draft = family.kind.draft(generator)
        if draft.rule.name == UNCHANGED or family.split(draft.rule) != split:
            continue
        easier = family.easier and split == "train"
        inputs = family.kind.inputs(draft, family.demonstrations, family.tests, easier, generator)
        pairs = [(cells, draft.rule.apply(cells)) for cells in inputs]
        shown, asked = pairs[: family.demonstrations], pairs[family.demonstrations :]
        asked = asked if split == "train" else asked[:1]
        usable = all(after.any() and max(after.shape) <= _MAX_SIDE for _, after in pairs)
        if usable and family.kind.is_determined(draft, shown, asked):
            rule = draft.rule
            return _task(generated_id(number, rule.name, rule.orbit), shown, asked), rule
    raise RuntimeError(f"family {family.name} has no task {number} in {split}")


def _task(task_id: str, shown: Pairs, asked: Pairs) -> Task:
    return Task(
        id=task_id,
        demonstrations=tuple(Pair(_grid(before), _grid(after)) for before, after in shown),
        tests=tuple(TestPair(_grid(before), _grid(after)) for before, after in asked),
    )


def _grid(cells: Cells) -> Grid:
    return Grid.of(cells.tolist())
