"""Results as the control would measure them, made by hand."""

from __future__ import annotations

from collections.abc import Sequence

from worker.experiments.control.methods import BY_NAME
from worker.experiments.control.results import MethodResult, Solved, VariantResult

TASKS = 100


def solved(*counts: int, start: int = 0) -> Solved:
    """Seeds that solve so many of the tasks, the first ones from `start` on."""
    return Solved(
        {
            seed: {f"t{task:02d}": float(start <= task < start + count) for task in range(TASKS)}
            for seed, count in enumerate(counts)
        }
    )


def variant(letter: str, *held_out: Sequence[int]) -> VariantResult:
    """A variant with what its seeds solve at step 50, 100, …"""
    steps = tuple(50 * (place + 1) for place in range(len(held_out)))
    found = tuple(solved(*counts) for counts in held_out)
    return VariantResult(letter, f"variant {letter}", letter, steps, found, 0.9, 60.0)


def measured(letter: str, method: str, decodes: int, *counts: int) -> MethodResult:
    """A variant under a method."""
    return MethodResult(letter, BY_NAME[method], decodes, 2 + decodes, solved(*counts), 1.0)
