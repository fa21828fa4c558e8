"""EnsembleView: what an ensemble says, for its page, the API and the command line alike."""

from __future__ import annotations

from pydantic import Field

from backend.kit.model import Model
from backend.scores.measured import PassView, ProtocolView
from backend.scores.oracle import OracleView
from backend.scores.paired import DifferenceView, SideView


class MemberView(SideView):
    """An evaluation whose votes are pooled, with its own score at k attempts."""

    variant: str
    seed: int | None
    passes: list[PassView] = Field(description="Its own pass@k at 1, 2, 5 and 10 attempts.")
    complete: bool = Field(
        description="All its votes were kept. Otherwise only those for its stored candidates are pooled."
    )


class PooledInput(Model):
    """The pooled ranking of one test input."""

    task_id: str
    test_index: int
    truth_rank: int | None = Field(description="In the pooled ranking; null where nobody voted for it.")
    member_ranks: list[int | None] = Field(description="The truth's rank in each member, in their order.")
    votes: int = Field(description="Pooled.")
    candidates: int = Field(description="Different grids that were voted for.")
    first_votes: int | None = Field(description="Votes of the first candidate; null without one.")
    first_confidence: float | None = Field(
        description="Mean halting probability of its votes, over all members."
    )
    note: str


class AgainstBest(Model):
    """The ensemble beside its best member, on the same tasks."""

    evaluation: int = Field(description="The member that solves most; of equals the one of the least id.")
    difference: DifferenceView = Field(
        description="Ensemble minus member, in shares of tasks, by paired bootstrap."
    )
    only_ensemble: list[str] = Field(description="Tasks that the ensemble alone solves entirely.")
    only_member: list[str]
    p_value: float = Field(description="McNemar's exact test of these two, two-sided.")
    verdict: str = Field(description="ensemble, member or undecided: decided needs both interval and test.")
    words: str = Field(
        examples=["undecided: ensemble 12/32, best member 9/32, difference 9 points [0 to 19], p = 0.25."]
    )


class EnsembleView(ProtocolView):
    """The votes of several evaluations, pooled: derived from what they stored, computed when it is asked for.

    The protocol is that of every member; `views` is of each of them.
    """

    k: int
    members: list[MemberView] = Field(description="By id of the evaluation; their order changes nothing.")
    n: int = Field(description="Tasks evaluated whose truth is known.")
    score: PassView = Field(description="The ensemble's pass@k at the k asked for.")
    passes: list[PassView] = Field(description="At 1, 2, 5 and 10 attempts.")
    curve: list[PassView] = Field(description="pass@k where it rises; flat in between.")
    oracle: OracleView | None
    against_best: AgainstBest
    votes: int = Field(description="Pooled, over all test inputs.")
    lost_votes: int = Field(description="Cast by members but not kept: no part of the ranking.")
    unmatched_votes: int = Field(
        description="For wrong grids that were not kept: counted for each member apart."
    )
    note: str = Field(description="What a reader of the numbers must know; else empty.")
    test_inputs: list[PooledInput] = Field(description="By task and test input.")
