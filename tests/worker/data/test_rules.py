"""Rules are told apart as functions, and split so that training meets no held-out one, augmented or not.

Nothing here trusts names: a function is what it makes of a battery of grids.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from itertools import permutations, product

import numpy as np
import pytest

from worker.data.augment import DIHEDRALS, INVERSE_DIHEDRAL, augmentation
from worker.data.procedural.counting import COUNTED, EXTREMES, Bar
from worker.data.procedural.families import FAMILIES, draws_of
from worker.data.procedural.kinds import Deciding, TwoSteps
from worker.data.procedural.logic import Choice, Property
from worker.data.procedural.objects import WHICH, Pick
from worker.data.procedural.operations import (
    Crop,
    Fall,
    Fill,
    Operation,
    Recolour,
    Roll,
    Shift,
    Tile,
    Turn,
)
from worker.data.procedural.rules import Rule, split_of
from worker.data.procedural.symmetry import DIRECTIONS
from worker.data.tokens import Cells

Function = Callable[[Cells], Cells]
SPLIT_UP_TO_AUGMENTATION = [name for name, family in FAMILIES.items() if family.about.augmentable]
SPLIT_AS_FUNCTIONS = [name for name in FAMILIES if name not in SPLIT_UP_TO_AUGMENTATION]


@cache
def _battery() -> tuple[Cells, ...]:
    """Scattered grids and grids of separate rectangles, in few and in many colours."""
    generator = np.random.default_rng(11)
    grids = [np.arange(1, 10, dtype=np.uint8).reshape(3, 3)]
    for _ in range(40):
        height, width = generator.integers(3, 7, size=2)
        palette = generator.choice(np.arange(1, 10, dtype=np.uint8), generator.integers(2, 6), replace=False)
        cells = generator.choice(palette, (height, width))
        cells[generator.random((height, width)) > 0.5] = 0
        grids.append(cells)
    for _ in range(40):
        cells = np.zeros((8, 9), dtype=np.uint8)
        for top, left in ((0, 0), (0, 5), (4, 1), (4, 6)):
            tall, wide = generator.integers(1, 4, size=2)
            top, left = top + generator.integers(0, 2), left + generator.integers(0, 2)
            colours = generator.integers(1, 10, (tall, wide))
            cells[top : top + tall, left : left + wide] = colours[:, : 9 - left][: 8 - top]
        grids.append(cells)
    return tuple(grids)


def _behaviour(function: Function) -> bytes:
    """Two functions that differ on some grid of the battery have different ones."""
    made = (function(cells) for cells in _battery())
    return b"|".join(bytes(cells.shape) + cells.astype(np.uint8).tobytes() for cells in made)


def _augmented(rule: Rule, dihedral: int, colours: Iterable[int]) -> Function:
    """What a rule becomes on augmented grids: undo the augmentation, apply the rule, augment."""
    forward = np.array(tuple(colours), dtype=np.uint8)
    back = np.argsort(forward).astype(np.uint8)

    def function(cells: Cells) -> Cells:
        original = back[DIHEDRALS[INVERSE_DIHEDRAL[dihedral]](cells)]
        return DIHEDRALS[dihedral](forward[rule.apply(original)])

    return function


def _rules(name: str, split: str, count: int) -> dict[str, Rule]:
    return {rule.name: rule for _, rule in draws_of(FAMILIES[name], split, count)}  # type: ignore[arg-type]


def _recolourings() -> list[Rule]:
    """Every way to write a rule of the control: three of five colours and their images."""
    return [
        Rule.of((Recolour(tuple(zip(colours, images, strict=True))),))
        for colours in permutations(range(1, 6), 3)
        for images in permutations(range(1, 6), 3)
        if list(colours) == sorted(colours)
    ]


def _on_palette(rule: Rule) -> tuple[int, ...]:
    return tuple(rule.apply(np.array([[1, 2, 3, 4, 5]], dtype=np.uint8))[0].tolist())


def test_one_function_has_one_name_however_it_is_written() -> None:
    one = Rule.of((Recolour(((1, 1), (2, 2), (4, 3))),))
    other = Rule.of((Turn(0), Recolour(((4, 3), (5, 5))), Shift(0, 0)))
    assert one == other
    assert one.name == "recolour-43"
    rules = _recolourings()
    assert len(rules) == 600
    assert len({rule.name for rule in rules}) == len({_on_palette(rule) for rule in rules}) == 471
    assert len({(rule.name, _on_palette(rule)) for rule in rules}) == 471


def test_orbits_of_recolourings_are_those_found_by_trying_every_permutation() -> None:
    by_name: dict[str, set[tuple[int, ...]]] = {}
    for rule in _recolourings():
        images = (0, *_on_palette(rule))
        conjugates = []
        for order in permutations(range(1, 6)):
            there = (0, *order)
            conjugates.append(tuple(there[images[there.index(colour)]] for colour in range(1, 6)))
        by_name.setdefault(rule.orbit, set()).add(min(conjugates))
    assert all(len(forms) == 1 for forms in by_name.values())
    assert len({form for forms in by_name.values() for form in forms}) == len(by_name)


OPERATIONS: tuple[Operation, ...] = (
    Recolour(((1, 2), (2, 1), (3, 7))),
    Fill(4),
    Crop(),
    Tile(2, 1),
    Shift(1, -2),
    Roll(2, 1),
    *(Turn(turn) for turn in range(8)),
    *(Fall(towards) for towards in DIRECTIONS),
    *(
        Bar(colour, counted, 1, 2, lies)
        for colour in EXTREMES
        for counted in COUNTED
        for lies in (True, False)
    ),
    *(Pick(which, action, 3) for which in WHICH for action in ("keep", "remove", "crop", "paint")),  # type: ignore[arg-type]
    Choice(Property("has", 3), Turn(1), Fall("up")),
    Choice(Property("odd"), Shift(0, 1), Turn(4)),
)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_a_step_turned_or_recoloured_does_to_augmented_grids_what_it_does_to_the_originals(
    operation: Operation,
) -> None:
    rule = Rule.of((operation,))
    colours = (0, 4, 9, 1, 2, 8, 3, 7, 5, 6)
    named = dict(enumerate(colours))
    assert _behaviour(rule.recoloured(named).apply) == _behaviour(_augmented(rule, 0, colours))
    for dihedral in range(len(DIHEDRALS)):
        turned = rule.turned(dihedral)
        assert _behaviour(turned.apply) == _behaviour(_augmented(rule, dihedral, range(10)))
        assert turned.recoloured(named).orbit == rule.orbit


@pytest.mark.parametrize("name", SPLIT_UP_TO_AUGMENTATION)
def test_rules_of_different_names_are_different_functions(name: str) -> None:
    kind = FAMILIES[name].kind
    if isinstance(kind, TwoSteps):
        rules = [Rule.of(steps) for steps in product(kind.heads, kind.tails)]
    elif isinstance(kind, Deciding):
        pairs = list(permutations(kind.moves, 2))
        rules = [Rule.of((Choice(asks, *moves),)) for asks in kind.properties for moves in pairs[::3]]
    else:
        rules = list(_rules(name, "train", 200).values())
    names = {rule.name for rule in rules}
    assert len({_behaviour(rule.apply) for rule in rules}) == len(names)


@pytest.mark.parametrize("name", FAMILIES)
def test_no_held_out_rule_equals_a_training_rule_as_a_function(name: str) -> None:
    train, test = _rules(name, "train", 150), _rules(name, "test", 40)
    held_out = {_behaviour(rule.apply) for rule in test.values()}
    assert not held_out & {_behaviour(rule.apply) for rule in train.values()}


def _met(name: str) -> tuple[int, int]:
    """How many held-out functions one pass over training tasks meets with augmentations, and of how many."""
    held_out = {_behaviour(rule.apply) for rule in _rules(name, "test", 60).values()}
    met = set()
    for task, rule in draws_of(FAMILIES[name], "train", 60):
        for index in range(4):
            form = augmentation(0, task.id, index)
            met.add(_behaviour(_augmented(rule, form.dihedral, form.colours)))
    return len(held_out & met), len(held_out)


@pytest.mark.parametrize("name", SPLIT_UP_TO_AUGMENTATION)
def test_augmentation_turns_no_training_rule_into_a_held_out_one(name: str) -> None:
    assert _met(name)[0] == 0


def test_held_out_recolourings_are_met_when_training_tasks_are_recoloured() -> None:
    """Why `augmentation_problems` refuses it."""
    training, held_out = _rules("control", "train", 300), _rules("control", "test", 60)
    conjugates = {
        _on_palette_of(rule, order) for rule in training.values() for order in permutations(range(1, 6))
    }
    met = [rule for rule in held_out.values() if _on_palette(rule) in conjugates]
    assert len(met) > 0.9 * len(held_out)
    assert SPLIT_AS_FUNCTIONS == ["control", "ladder/recolour"]


def _on_palette_of(rule: Rule, order: tuple[int, ...]) -> tuple[int, ...]:
    images, there = (0, *_on_palette(rule)), (0, *order)
    return tuple(there[images[there.index(colour)]] for colour in range(1, 6))


def test_a_key_is_always_in_the_same_split_and_a_quarter_is_held_out() -> None:
    splits = [split_of(f"rule {number}") for number in range(2000)]
    assert splits == [split_of(f"rule {number}") for number in range(2000)]
    assert 0.2 < splits.count("test") / 2000 < 0.3
