"""What families are made of: a kind draws rules and inputs, and judges whether the answer is determined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from worker.data.procedural.logic import Choice, Property
from worker.data.procedural.operations import Operation
from worker.data.procedural.rules import Rule
from worker.data.tokens import Cells

Pairs = Sequence[tuple[Cells, Cells]]
COLOURS = np.arange(1, 10, dtype=np.uint8)
_DRAWS = 200  # of one input, until it is as a task needs it


@dataclass(frozen=True)
class Draft:
    """A rule, and the colours that the inputs of its task show."""

    rule: Rule
    colours: tuple[int, ...]


class Kind(Protocol):
    """Draws what a task is made of, and judges it."""

    def draft(self, generator: np.random.Generator) -> Draft: ...

    def inputs(
        self, draft: Draft, demonstrations: int, tests: int, easier: bool, generator: np.random.Generator
    ) -> list[Cells]:
        """Inputs of the demonstrations, then of the tests; `easier` demonstrations may show fewer colours."""
        ...

    def is_determined(self, draft: Draft, shown: Pairs, asked: Pairs) -> bool:
        """Whether every rule of the family that explains what is shown gives the answers that are asked."""
        ...


DrawInput = Callable[[Sequence[int], np.random.Generator], Cells]


@dataclass(frozen=True)
class TwoSteps:
    """One of `heads`, then one of `tails`, on grids of few colours, which have no part in the rule."""

    heads: tuple[Operation, ...]
    tails: tuple[Operation, ...]
    shows: tuple[int, int]  # least and most colours of a task
    draw_input: DrawInput

    def draft(self, generator: np.random.Generator) -> Draft:
        head = self.heads[int(generator.integers(len(self.heads)))]
        tail = self.tails[int(generator.integers(len(self.tails)))]
        return Draft(Rule.of((head, tail)), draw_colours(self.shows, generator))

    def inputs(
        self, draft: Draft, demonstrations: int, tests: int, easier: bool, generator: np.random.Generator
    ) -> list[Cells]:
        return [self._input(draft, generator) for _ in range(demonstrations + tests)]

    def _input(self, draft: Draft, generator: np.random.Generator) -> Cells:
        """A grid that the first step changes: one in which it finds what it is about."""
        first = draft.rule.operations[0]
        for _ in range(_DRAWS):
            cells = self.draw_input(draft.colours, generator)
            if not _same(first.apply(cells), cells):
                return cells
        raise RuntimeError(f"no input that {first.name} changes")

    def is_determined(self, draft: Draft, shown: Pairs, asked: Pairs) -> bool:
        (first, after), *others = shown
        for head in self.heads:
            made = head.apply(first)
            for tail in self.tails:
                explains = _same(tail.apply(made), after) and _gives(head, tail, others)
                if explains and not _gives(head, tail, asked):
                    return False
        return True


@dataclass(frozen=True)
class Deciding:
    """One of two moves, by a property of the input. Each occurs in two demonstrations at least."""

    properties: tuple[Property, ...]
    moves: tuple[Operation, ...]
    shows: tuple[int, int]
    draw_input: DrawInput

    def draft(self, generator: np.random.Generator) -> Draft:
        colours = draw_colours(self.shows, generator)
        usable = [asks for asks in self.properties if asks.kind != "has" or asks.colour in colours]
        asks = usable[int(generator.integers(len(usable)))]
        then, otherwise = generator.choice(len(self.moves), 2, replace=False).tolist()
        return Draft(Rule.of((Choice(asks, self.moves[then], self.moves[otherwise]),)), colours)

    def inputs(
        self, draft: Draft, demonstrations: int, tests: int, easier: bool, generator: np.random.Generator
    ) -> list[Cells]:
        (choice,) = draft.rule.operations
        assert isinstance(choice, Choice)
        wanted = [place % 2 == 0 for place in range(demonstrations)]
        wanted += (generator.random(tests) < 0.5).tolist()
        return [self._with(choice.asks, has, draft.colours, generator) for has in wanted]

    def _with(
        self, asks: Property, has: bool, colours: tuple[int, ...], generator: np.random.Generator
    ) -> Cells:
        for _ in range(_DRAWS):
            shown = generator.permutation(colours)[: generator.integers(2, len(colours) + 1)]
            cells = self.draw_input(shown.tolist(), generator)
            if asks.of(cells) == has:
                return cells
        raise RuntimeError(f"no input with {asks.name} {has}")

    def is_determined(self, draft: Draft, shown: Pairs, asked: Pairs) -> bool:
        """Move by move: which of them explain each side of every property, and what they answer."""
        explained = [[_same(move.apply(a), b) for a, b in shown] for move in self.moves]
        answered = [[_same(move.apply(a), b) for a, b in asked] for move in self.moves]
        for asks in self.properties:
            fitting = {
                side: [
                    answers
                    for fits, answers in zip(explained, answered, strict=True)
                    if all(
                        fit for fit, (before, _) in zip(fits, shown, strict=True) if asks.of(before) == side
                    )
                ]
                for side in (True, False)
            }
            if not all(fitting.values()):
                continue  # no rule with this property explains what is shown
            for place, (before, _) in enumerate(asked):
                if not all(answers[place] for answers in fitting[asks.of(before)]):
                    return False
        return True


def random_input(sides: tuple[int, int], density: float) -> DrawInput:
    """A way to draw grids in which every colour given occurs, on a background."""

    def draw(colours: Sequence[int], generator: np.random.Generator) -> Cells:
        height, width = generator.integers(sides[0], sides[1] + 1, size=2)
        palette = np.array(colours, dtype=np.uint8)
        cells = generator.choice(palette, (height, width))
        cells[generator.random((height, width)) >= density] = 0
        places = generator.choice(height * width, len(palette), replace=False)
        cells.flat[places] = palette
        return cells

    return draw


def objects_input(sides: tuple[int, int], objects: tuple[int, int], largest: int) -> DrawInput:
    """A way to draw grids of rectangles that do not touch, each cell in one of the colours given."""

    def draw(colours: Sequence[int], generator: np.random.Generator) -> Cells:
        height, width = generator.integers(sides[0], sides[1] + 1, size=2).tolist()
        cells = np.zeros((height, width), dtype=np.uint8)
        wanted = int(generator.integers(objects[0], objects[1] + 1))
        for _ in range(_DRAWS):
            tall, wide = generator.integers(1, largest + 1, size=2).tolist()
            top, left = int(generator.integers(height - tall + 1)), int(generator.integers(width - wide + 1))
            if not cells[max(top - 1, 0) : top + tall + 1, max(left - 1, 0) : left + wide + 1].any():
                cells[top : top + tall, left : left + wide] = generator.choice(colours, (tall, wide))
                wanted -= 1
            if not wanted:
                break
        return cells

    return draw


def draw_colours(number: tuple[int, int], generator: np.random.Generator) -> tuple[int, ...]:
    """So many of the nine colours, ascending."""
    chosen = generator.choice(COLOURS, int(generator.integers(number[0], number[1] + 1)), replace=False)
    return tuple(np.sort(chosen).tolist())


def _gives(head: Operation, tail: Operation, pairs: Pairs) -> bool:
    return all(_same(tail.apply(head.apply(before)), after) for before, after in pairs)


def _same(one: Cells, other: Cells) -> bool:
    return one.shape == other.shape and bool((one == other).all())
