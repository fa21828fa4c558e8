"""Pooled votes against a plain restatement, and what no ensemble may be made of."""

from __future__ import annotations

import math
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.domain.arc.grid import Grid
from backend.domain.arc.pooling import TRUTH, MemberBallots, OtherTruth, pooled
from backend.domain.arc.votes import ActStep, ViewVote, pack_trace, trace_of, unpack_ballots, unpack_trace
from worker.evaluation.voting import Ballot, truth_rank, vote

ANSWERS = tuple(Grid.from_digits(digits) for digits in ("", "1", "12/34", "0", "99/99/99"))
RIGHT = ANSWERS[1]
# Halves, so that sums are exact in any order; few of them, so that there are ties.
ballots = st.lists(st.builds(Ballot, st.sampled_from(ANSWERS), st.sampled_from([0.0, 0.25, 0.5, 1.0])))


def member(cast: list[Ballot], kept: int = len(ANSWERS)) -> MemberBallots:
    """What an evaluation stores of these votes, if it keeps so many grids."""
    candidates = vote(cast)
    ranks = {each.grid: rank for rank, each in enumerate(candidates, 1)}
    return MemberBallots(
        [each.grid.digits for each in candidates[:kept]],
        [(ranks[each.grid], each.halting_probability) for each in cast],
        truth_rank(candidates, RIGHT),
    )


def restated(members: list[list[Ballot]]) -> list[tuple[str, int, float]]:
    """(digits, votes, mean probability) by votes, then mean, then first come."""
    table: dict[str, list[float]] = defaultdict(list)
    for cast in members:
        for ballot in cast:
            table[ballot.grid.digits].append(ballot.halting_probability)
    lines = [(digits, len(ps), math.fsum(ps) / len(ps)) for digits, ps in table.items()]
    return sorted(lines, key=lambda line: (-line[1], -line[2]))


@given(st.lists(ballots, min_size=1, max_size=4))
def test_a_pool_is_the_count_restated(members: list[list[Ballot]]) -> None:
    found = pooled([member(cast) for cast in members])

    def digits(answer: str) -> str:
        return RIGHT.digits if answer == TRUTH else answer

    expected = restated(members)
    assert [(digits(each.answer), each.votes, each.confidence) for each in found.standings] == expected
    places = [line[0] for line in expected]
    assert found.truth_rank == (places.index(RIGHT.digits) + 1 if RIGHT.digits in places else None)
    assert (found.votes, found.lost, found.unmatched) == (sum(map(len, members)), 0, 0)


@given(st.lists(ballots, min_size=1, max_size=4))
def test_a_pool_is_one_evaluation_with_all_views(members: list[list[Ballot]]) -> None:
    """The worker's own vote on all views together, ties included."""
    whole = vote([ballot for cast in members for ballot in cast])
    found = pooled([member(cast) for cast in members])
    assert [(each.votes, each.confidence) for each in found.standings] == [
        (each.votes, each.confidence) for each in whole
    ]
    assert found.truth_rank == truth_rank(whole, RIGHT)


@given(ballots)
def test_a_member_pooled_with_itself_keeps_its_ranking(cast: list[Ballot]) -> None:
    once, twice = pooled([member(cast)]), pooled([member(cast)] * 2)
    assert [each.answer for each in once.standings] == [each.answer for each in twice.standings]
    assert [2 * each.votes for each in once.standings] == [each.votes for each in twice.standings]
    assert once.truth_rank == truth_rank(vote(cast), RIGHT)


def test_votes_for_grids_that_were_not_kept_count_apart_but_the_truth_is_known_by_its_rank() -> None:
    wrong, other = ANSWERS[2], ANSWERS[3]
    a = [Ballot(other, 0.5)] * 3 + [Ballot(wrong, 0.5)] * 2 + [Ballot(RIGHT, 0.5)]
    b = [Ballot(RIGHT, 0.5)] * 2 + [Ballot(wrong, 0.5)] * 2

    found = pooled([member(a, kept=1), member(b, kept=2)])

    assert found.unmatched == 2  # a's for `wrong`, whose grid it did not keep; b kept its own
    assert [each.votes for each in found.standings] == [3, 3, 2, 2]
    assert found.truth_rank == 2  # three votes, though a kept only the rank


def test_members_that_were_judged_by_another_truth_are_refused() -> None:
    same = member([Ballot(RIGHT, 0.5)])
    for other in (
        MemberBallots(["5"], [(1, 0.5)], 1),  # another grid is right there
        MemberBallots(["1"], [(1, 0.5)], None),  # the same grid is wrong there
    ):
        with pytest.raises(OtherTruth) as refused:
            pooled([same, other])
        assert refused.value.member == 1


def test_what_is_no_number_is_no_confidence() -> None:
    found = pooled([MemberBallots(["1", "5"], [(1, math.nan), (2, 0.5)], None)])
    assert [(each.answer, each.confidence) for each in found.standings] == [("5", 0.5), ("1", 0.0)]


@given(ballots, st.integers(0, 3))
def test_ballots_are_read_out_of_a_trace_as_they_stand_in_it(cast: list[Ballot], steps: int) -> None:
    votes = [
        ViewVote(at, 0, "0123456789", each.grid, each.halting_probability) for at, each in enumerate(cast)
    ]
    shown = [ActStep(step, RIGHT, 0.5) for step in range(1, steps + 1)]
    packed = pack_trace(trace_of(votes, shown, [each.grid for each in vote(cast)]))
    grids, read = unpack_ballots(packed)
    whole = unpack_trace(packed)
    assert [Grid.from_digits(digits) for digits in grids] == list(whole.grids)
    assert read == [(each.rank, each.halting_probability) for each in whole.votes]
