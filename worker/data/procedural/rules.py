"""Rules made of operations, told apart as functions, and which of them may be trained on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from itertools import product
from typing import Literal

from worker.data.augment import DIHEDRALS
from worker.data.procedural.operations import Operation
from worker.data.tokens import Cells

Split = Literal["train", "test"]
SPLITS: tuple[Split, ...] = ("train", "test")
TEST_SHARE = 4  # one rule in so many is a test rule
UNCHANGED = "same"  # the rule that changes nothing


@dataclass(frozen=True)
class Rule:
    """Operations, one after the other, in the one spelling that their function has: make it with `of`."""

    operations: tuple[Operation, ...]

    @classmethod
    def of(cls, operations: Iterable[Operation]) -> Rule:
        """The rule without what has no effect: steps that change nothing, colours that stay."""
        return cls(tuple(each.plain() for each in operations if not each.is_identity))

    @property
    def name(self) -> str:
        """Says all of the rule: two rules of one name are one function, and none of two names are."""
        return _name(self.operations)

    @property
    def orbit(self) -> str:
        """The same for two rules exactly when an augmentation turns one into the other."""
        return _orbit(self.operations)

    def apply(self, cells: Cells) -> Cells:
        """The output of an input."""
        for operation in self.operations:
            cells = operation.apply(cells)
        return cells

    def holds(self, before: Cells, after: Cells) -> bool:
        """Whether `after` is the output of `before`: every step is checked by its own check."""
        if not self.operations:
            return before.shape == after.shape and bool((before == after).all())
        for operation in self.operations[:-1]:
            made = operation.apply(before)
            if not operation.holds(before, made):
                return False
            before = made
        return self.operations[-1].holds(before, after)

    def turned(self, dihedral: int) -> Rule:
        """The same rule on grids that a symmetry of the square has turned."""
        return Rule.of(each.turned(dihedral) for each in self.operations)

    def recoloured(self, colours: dict[int, int]) -> Rule:
        """The same rule where every colour c is called `colours[c]`."""
        return Rule.of(each.recoloured(colours) for each in self.operations)


def split_of(key: str) -> Split:
    """Where the rules of a key (a rule's name or orbit) belong: whatever is drawn, none is in both."""
    digest = blake2b(key.encode(), digest_size=8).digest()
    return "test" if int.from_bytes(digest, "little") % TEST_SHARE == 0 else "train"


def _name(operations: Sequence[Operation]) -> str:
    return "_".join(each.name for each in operations) or UNCHANGED


@lru_cache(maxsize=1 << 14)
def _orbit(operations: tuple[Operation, ...]) -> str:
    """The least name, over the eight symmetries and all orders of what the rule names, of the rule with its
    colours renumbered by first mention."""
    return min(
        _name(_renumbered(spelling))
        for dihedral in range(len(DIHEDRALS))
        for spelling in product(*(each.turned(dihedral).orders() for each in operations))
    )


def _renumbered(operations: tuple[Operation, ...]) -> list[Operation]:
    numbers: dict[int, int] = {}
    for each in operations:
        for colour in each.colours:
            numbers.setdefault(colour, len(numbers) + 1)
    return [each.recoloured(numbers) for each in operations]
