"""Rules made of operations, and which of them may be trained on."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal

import numpy as np

from worker.data.procedural.operations import Operation
from worker.data.tokens import Cells

Split = Literal["train", "test"]
SPLITS: tuple[Split, ...] = ("train", "test")
TEST_SHARE = 5  # one rule in so many is a test rule


@dataclass(frozen=True)
class Rule:
    """Operations, one after the other."""

    operations: tuple[Operation, ...]

    @property
    def name(self) -> str:
        """Says all of the rule: two rules of one name are one rule."""
        return "_".join(operation.name for operation in self.operations)

    @property
    def split(self) -> Split:
        """Where the rule belongs, by its name alone: whatever is drawn, no rule is in both."""
        digest = blake2b(self.name.encode(), digest_size=8).digest()
        return "test" if int.from_bytes(digest, "little") % TEST_SHARE == 0 else "train"

    def apply(self, cells: Cells) -> Cells:
        """The output of an input."""
        for operation in self.operations:
            cells = operation.apply(cells)
        return cells

    def holds(self, before: Cells, after: Cells) -> bool:
        """Whether `after` is the output of `before`: every step is checked by its own check."""
        for operation in self.operations[:-1]:
            made = operation.apply(before)
            if not operation.holds(before, made):
                return False
            before = made
        return self.operations[-1].holds(before, after)


def explains(rule: Rule, pairs: list[tuple[Cells, Cells]]) -> bool:
    """Whether a rule fits every pair."""
    return all(np.array_equal(rule.apply(before), after) for before, after in pairs)
