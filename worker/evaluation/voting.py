"""Votes of augmented views, already undone: equal grids are counted together and ranked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from backend.domain.arc.ballots import ranked
from backend.domain.arc.grid import Grid
from backend.domain.arc.judging import Candidate
from backend.domain.arc.votes import ViewVote


@dataclass(frozen=True, slots=True)
class Ballot:
    """What one view predicts, in the colours and the orientation of the original."""

    grid: Grid
    halting_probability: float


def vote(ballots: Iterable[Ballot | ViewVote]) -> tuple[Candidate, ...]:
    """All different grids, most votes first, then the surest; of equals the one that was seen first."""
    standings = ranked((ballot.grid, ballot.halting_probability) for ballot in ballots)
    return tuple(Candidate(each.answer, each.votes, each.confidence) for each in standings)


def truth_rank(candidates: Sequence[Candidate], truth: Grid) -> int | None:
    """The place of the truth among the candidates, from 1; None if no view predicted it."""
    ranks = (rank for rank, candidate in enumerate(candidates, 1) if candidate.grid == truth)
    return next(ranks, None)


def share_solved(truth_ranks: Sequence[int | None], k: int) -> float:
    """A task's score at k attempts: the share of its test inputs whose truth is among the first k."""
    return sum(rank is not None and rank <= k for rank in truth_ranks) / len(truth_ranks)
