"""Families of tasks: which rules there are, and what the pairs of a task look like.

Task `number` of a family and split is a pure function of the three. A task is drawn again until its
demonstrations say what its rule is: no other rule of the family explains them and asks for another answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

import numpy as np

from backend.domain.arc.grid import Grid
from backend.domain.arc.task import Pair, Task, TestPair
from worker.data.augment import DIHEDRALS
from worker.data.procedural.operations import (
    DIRECTIONS,
    Crop,
    Fall,
    Fill,
    Operation,
    Recolour,
    Shift,
    Tile,
    Turn,
)
from worker.data.procedural.rules import Rule, Split
from worker.data.tokens import Cells

_ATTEMPTS = 1000  # a family that needs more is not what it says


@dataclass(frozen=True)
class Family:
    """Tasks of one kind. `moves` are the operations that may follow the recolouring; the first is none."""

    name: str
    title: str  # what its tasks ask, in a sentence
    sides: tuple[int, int]  # least and largest side of an input
    palette: int  # colours there are: 1 to this
    colours: int  # of them that a rule changes
    easier: bool  # whether demonstrations of a training task may show fewer of them at a time
    density: float  # share of an input's cells that are coloured
    moves: tuple[tuple[Operation, ...], ...]
    demonstrations: int
    tests: int  # that a training task asks; a test task asks one
    train_tasks: int
    test_tasks: int

    def size(self, split: Split) -> int:
        """How many tasks a split has."""
        return self.train_tasks if split == "train" else self.test_tasks


_LAST_MOVES: tuple[tuple[Operation, ...], ...] = (
    (),
    (Crop(),),
    (Fill(1),),
    (Fill(2),),
    (Tile(2, 1),),
    (Tile(1, 2),),
    (Tile(2, 2),),
    *((Fall(towards),) for towards in DIRECTIONS),
    *((Shift(down, right),) for down in (-1, 0, 1) for right in (-1, 0, 1) if down or right),
)

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family(
            name="control",
            title="Three of five colours become others. Every demonstration of a test task shows all three; "
            "those of a training task one, two or three.",
            sides=(3, 3),
            palette=5,
            colours=3,
            easier=True,
            density=1.0,
            moves=((),),
            demonstrations=3,
            tests=2,
            train_tasks=12_000,
            test_tasks=100,
        ),
        Family(
            name="compose",
            title="A recolouring, a symmetry of the square, and then a shift, a fall, a crop, a tiling or "
            "nothing, on small grids.",
            sides=(3, 5),
            palette=9,
            colours=3,
            easier=False,
            density=0.5,
            moves=tuple((Turn(turn), *last) for turn in range(len(DIHEDRALS)) for last in _LAST_MOVES),
            demonstrations=4,
            tests=1,
            train_tasks=5_000,
            test_tasks=400,
        ),
    )
}


@lru_cache(maxsize=4)
def tasks_of(family: Family, split: Split) -> tuple[Task, ...]:
    """All tasks of a split, in id order."""
    return tuple(task for task, _ in draws_of(family, split, family.size(split)))


def draws_of(family: Family, split: Split, count: int) -> Iterator[tuple[Task, Rule]]:
    """The first tasks of a split, each with its rule. Each task of a test split has a rule of its own."""
    rules: set[str] = set()
    number = 0
    while count:
        task, rule = draw_task(family, split, number)
        number += 1
        if split == "test" and rule.name in rules:
            continue
        rules.add(rule.name)
        yield task, rule
        count -= 1


def draw_task(family: Family, split: Split, number: int) -> tuple[Task, Rule]:
    """Task `number` of a family and split, and its rule."""
    seed = blake2b(f"{family.name}/{split}".encode(), digest_size=8).digest()
    philox = np.random.Philox(key=[int.from_bytes(seed, "little"), number])
    generator = np.random.Generator(philox)
    for _ in range(_ATTEMPTS):
        rule, recolouring = _draw_rule(family, generator)
        if rule.split != split:
            continue
        inputs = _draw_inputs(family, recolouring, split, generator)
        pairs = [(cells, rule.apply(cells)) for cells in inputs]
        shown, asked = pairs[: family.demonstrations], pairs[family.demonstrations :]
        asked = asked if split == "train" else asked[:1]
        if all(after.any() for _, after in pairs) and _is_plain(family, recolouring, shown, asked):
            return _task(f"{number:05d}-{rule.name}", shown, asked), rule
    raise RuntimeError(f"family {family.name} has no task {number} in {split}")


def _draw_rule(family: Family, generator: np.random.Generator) -> tuple[Rule, Recolour]:
    palette = np.arange(1, family.palette + 1, dtype=np.uint8)
    colours = np.sort(generator.choice(palette, family.colours, replace=False))
    images = generator.choice(palette, family.colours, replace=False)
    recolouring = Recolour(tuple(zip(colours.tolist(), images.tolist(), strict=True)))
    moves = family.moves[int(generator.integers(len(family.moves)))]
    return Rule((recolouring, *moves)), recolouring


def _draw_inputs(
    family: Family, recolouring: Recolour, split: Split, generator: np.random.Generator
) -> list[Cells]:
    """Inputs of the demonstrations, then of the tests.

    Where there are easier tasks, all demonstrations of one show the same number of colours, together all.
    """
    colours = np.array([colour for colour, _ in recolouring.images], dtype=np.uint8)
    order = generator.permutation(colours)
    easier = family.easier and split == "train"
    at_a_time = int(generator.integers(1, len(order) + 1)) if easier else len(order)
    inputs = []
    for place in range(family.demonstrations + family.tests):
        number = at_a_time if place < family.demonstrations else len(order)
        inputs.append(_draw_input(family, np.roll(order, -place)[:number], generator))
    return inputs


def _draw_input(family: Family, palette: Cells, generator: np.random.Generator) -> Cells:
    """A grid in which every colour of the palette occurs, on a background."""
    least, largest = family.sides
    height, width = generator.integers(least, largest + 1, size=2)
    cells = generator.choice(palette, (height, width))
    cells[generator.random((height, width)) >= family.density] = 0
    places = generator.choice(height * width, len(palette), replace=False)
    cells.flat[places] = palette
    return cells


def _is_plain(
    family: Family,
    recolouring: Recolour,
    shown: list[tuple[Cells, Cells]],
    asked: list[tuple[Cells, Cells]],
) -> bool:
    """Whether every rule of the family that explains what is shown gives the answers that are asked.

    Rules that recolour otherwise need no look: demonstrations show every colour's image, or the moves would
    have to make up for it.
    """
    for moves in family.moves:
        other = Rule((recolouring, *moves))
        if _gives(other, shown) and not _gives(other, asked):
            return False
    return True


def _gives(rule: Rule, pairs: list[tuple[Cells, Cells]]) -> bool:
    return all(np.array_equal(rule.apply(before), after) for before, after in pairs)


def _task(task_id: str, shown: list[tuple[Cells, Cells]], asked: list[tuple[Cells, Cells]]) -> Task:
    return Task(
        id=task_id,
        demonstrations=tuple(Pair(_grid(before), _grid(after)) for before, after in shown),
        tests=tuple(TestPair(_grid(before), _grid(after)) for before, after in asked),
    )


def _grid(cells: Cells) -> Grid:
    return Grid.of(cells.tolist())
