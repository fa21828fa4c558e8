"""What a check of fixtures came to, in words: one line per fixture, and below it one line per step."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from worker.experiments.parity.rounding import MULTIPLE, Scale, Size

Outcome = Literal["pass", "fail", "undecided", "not there yet"]
QUANTITIES = ("context", "KL", "logits", "halting logits", "loss", "gradients")
HEADER = (
    "Each number is the largest difference between the published float32 numbers and our model in float64; "
    "the rounding beside it is how far float32 moves our model's numbers on this machine.\n"
    f"A fixture passes if no difference is more than {MULTIPLE} times the rounding plus a few last digits."
)


@dataclass(frozen=True)
class Comparison:
    """One published tensor against ours."""

    where: str  # "step 0", "training"
    quantity: str  # one of QUANTITIES
    name: str  # as a sentence calls it
    difference: Size  # of the published numbers from our float64 ones
    scale: Scale

    @property
    def passed(self) -> bool:
        """Whether the difference is within what rounding allows."""
        return self.difference.within(self.scale.allowed)

    @property
    def ratio(self) -> float:
        """The difference over what is allowed, the worse of both measures; above 1 it fails."""
        allowed = self.scale.allowed
        pairs = ((self.difference.rms, allowed.rms), (self.difference.largest, allowed.largest))
        return max((d / a if a else (math.inf if d else 0.0)) for d, a in pairs)

    def __str__(self) -> str:
        return f"{self.difference.largest:.1e} (rounding {self.scale.rounding.largest:.1e})"


@dataclass
class ParityLine:
    """What one fixture came to: every comparison, and what is wrong."""

    name: str
    outcome: Outcome = "pass"
    comparisons: list[Comparison] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def fail(self, note: str) -> None:
        """Record one thing that is wrong."""
        self.outcome = "fail"
        self.notes.append(note)

    def add(self, comparison: Comparison) -> None:
        """Record a comparison; it fails where the difference is more than rounding allows."""
        self.comparisons.append(comparison)
        if not comparison.passed:
            difference, allowed = comparison.difference, comparison.scale.allowed
            self.fail(
                f"{comparison.name} differs by {difference.largest:.2e} (allowed {allowed.largest:.2e}), "
                f"root mean square {difference.rms:.2e} (allowed {allowed.rms:.2e})"
            )

    def finish(self) -> None:
        """Withhold a pass where rounding hides the logits of every step, so that nothing was shown."""
        logits = [c.scale.informative for c in self.comparisons if c.quantity == "logits"]
        if self.outcome == "pass" and logits and not any(logits):
            self.outcome = "undecided"
            self.notes.append("rounding hides the logits of every step")

    def __str__(self) -> str:
        shown = [
            f"{quantity} {max(of_quantity, key=lambda c: c.ratio)}"
            for quantity in QUANTITIES
            if (of_quantity := [c for c in self.comparisons if c.quantity == quantity])
        ]
        more = len(self.notes) - 1
        notes = [self.notes[0] + (f" (and {more} more)" if more else "")] if self.notes else []
        return f"{self.name}: " + " · ".join([self.outcome, *notes, *shown])

    def details(self) -> list[str]:
        """One line per step: of each quantity the comparison nearest to failing, and what tells nothing."""
        lines = []
        for where in dict.fromkeys(c.where for c in self.comparisons):
            here = [c for c in self.comparisons if c.where == where]
            worst = [
                f"{quantity} {max(of_quantity, key=lambda c: c.ratio)}"
                for quantity in QUANTITIES
                if (of_quantity := [c for c in here if c.quantity == quantity])
            ]
            lines.append(f"  {where}: " + " · ".join(worst))
            lines += [f"    {note}" for note in _not_informative(here)]
        return lines


def _not_informative(comparisons: list[Comparison]) -> list[str]:
    """A sentence per quantity whose rounding is too large beside the numbers for a fault to show."""
    notes = []
    for quantity in QUANTITIES:
        of_quantity = [c for c in comparisons if c.quantity == quantity]
        hidden = [c for c in of_quantity if not c.scale.informative]
        if hidden:
            worst = max(hidden, key=lambda c: c.scale.relative)
            count = f"{len(hidden)} of {len(of_quantity)} tensors, " if len(of_quantity) > 1 else ""
            notes.append(
                f"{quantity} not informative: {count}rounding {worst.scale.rounding.rms:.1e} "
                f"where the numbers are {worst.scale.numbers.rms:.1e} (root mean square)"
            )
    return notes
