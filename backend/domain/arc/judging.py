"""A candidate answer held against the truth: the same for a model's votes and for what a script logs."""

from __future__ import annotations

from dataclasses import dataclass

from backend.domain.arc.failure_modes import cell_accuracy, failure_mode
from backend.domain.arc.grid import Grid
from backend.domain.arc.task import TestPair
from backend.domain.records import Prediction


@dataclass(frozen=True, slots=True)
class Candidate:
    """An answer to a test input, with what speaks for it."""

    grid: Grid
    votes: int = 1
    confidence: float = 0.0  # mean halting probability of its votes


def judged(rank: int, candidate: Candidate, test: TestPair) -> Prediction:
    """The candidate of this rank, and in what way it is right or wrong; neither where no truth is known."""
    grid, truth = candidate.grid, test.output
    return Prediction(
        rank=rank,
        grid=grid,
        votes=candidate.votes,
        confidence=candidate.confidence,
        correct=grid == truth,
        cell_accuracy=0.0 if truth is None else cell_accuracy(grid, truth),
        failure_mode=None if truth is None else failure_mode(grid, truth, test.input),
    )
