"""The votes of several evaluations on one test input, pooled into one ranking."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from backend.domain.arc.ballots import Standing, ranked

TRUTH = "truth"  # stands for the right grid, which no string of digits can be


@dataclass(frozen=True)
class MemberBallots:
    """How the views of one member voted on a test input, and what is known of the grids they voted for."""

    grids: Sequence[str]  # digits of the candidates, by rank; those of later ranks were not kept
    cast: Sequence[tuple[int, float]]  # (rank of the candidate, halting probability), by view
    truth_rank: int | None  # of this member's candidates; None where no view voted for the truth
    lost: int = 0  # votes for candidates of which nothing was kept


@dataclass(frozen=True)
class Pooled:
    """All votes on a test input as one ranking. An answer is a grid's digits, or `TRUTH`."""

    standings: tuple[Standing[str], ...]
    truth_rank: int | None
    truth: str | None  # its digits, where a member voted for it and kept them
    votes: int  # pooled
    lost: int  # votes that were cast but not kept: no part of the ranking
    unmatched: int  # votes for wrong grids that were not kept: each member's count apart


class OtherTruth(ValueError):
    """A member was judged by another truth than the first; `member` is its index."""

    def __init__(self, member: int) -> None:
        super().__init__(f"member {member} was judged by another truth")
        self.member = member


def pooled(members: Sequence[MemberBallots]) -> Pooled:
    """The ranking of all votes: equal grids are one candidate, whoever voted for them.

    Most votes first, then the highest mean halting probability over all of them, then whoever's member comes
    first. OtherTruth where members disagree about which grid is right: they were not asked the same.
    """
    truth = _common_truth(members)
    standings = ranked(ballot for number, member in enumerate(members) for ballot in _answers(number, member))
    rank = next((at for at, each in enumerate(standings, 1) if each.answer == TRUTH), None)
    return Pooled(
        standings=standings,
        truth_rank=rank,
        truth=truth,
        votes=sum(len(member.cast) for member in members),
        lost=sum(member.lost for member in members),
        unmatched=sum(
            rank > len(member.grids) and rank != member.truth_rank
            for member in members
            for rank, _ in member.cast
        ),
    )


def _answers(number: int, member: MemberBallots) -> Iterator[tuple[str, float]]:
    for rank, probability in member.cast:
        sure = 0.0 if math.isnan(probability) else probability  # NaN from a model that diverged
        if rank == member.truth_rank:
            yield TRUTH, sure
        elif rank <= len(member.grids):
            yield member.grids[rank - 1], sure
        else:
            yield f"{number} #{rank}", sure  # equal to nobody's: its grid was not kept


def _common_truth(members: Sequence[MemberBallots]) -> str | None:
    """The digits of the truth, if some member has them; OtherTruth for the first that contradicts."""
    truth: str | None = None
    for number, member in enumerate(members):
        if member.truth_rank is None or member.truth_rank > len(member.grids):
            continue
        found = member.grids[member.truth_rank - 1]
        if truth is not None and found != truth:
            raise OtherTruth(number)
        truth = found
    if truth is None:
        return None
    for number, member in enumerate(members):
        if truth in member.grids and member.grids.index(truth) + 1 != member.truth_rank:
            raise OtherTruth(number)
    return truth
