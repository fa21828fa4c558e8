"""Votes and traces: what is packed comes back as it was."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from backend.domain.arc.grid import Grid
from backend.domain.arc.votes import (
    TRACED_GRIDS,
    ActStep,
    QuestionVotes,
    ViewVote,
    pack_trace,
    pack_votes,
    trace_of,
    unpack_trace,
    unpack_votes,
)
from tests.support.records.arc import grids

some_grids = st.one_of(st.just(Grid(())), grids(4))
probabilities = st.floats(0, 1)
votes = st.builds(
    ViewVote, st.integers(0, 999), st.integers(0, 7), st.just("0213456789"), some_grids, probabilities
)
steps = st.builds(ActStep, st.integers(1, 16), some_grids, probabilities)


@given(
    st.lists(
        st.builds(QuestionVotes, st.text(), st.integers(0, 3), st.tuples(votes, votes), st.tuples(steps))
    )
)
def test_votes_come_back_to_the_last_bit(given_votes: list[QuestionVotes]) -> None:
    assert unpack_votes(pack_votes(given_votes)) == given_votes


def test_a_trace_keeps_every_vote_but_only_the_best_grids() -> None:
    many = TRACED_GRIDS + 30
    ranked = [Grid.of([map(int, str(number))]) for number in range(many)]
    cast = [ViewVote(number, 0, "0123456789", grid, 0.5) for number, grid in enumerate(ranked)]
    trace = trace_of(cast, [ActStep(1, ranked[0], 0.1)], ranked)
    assert trace.grids == tuple(ranked[:TRACED_GRIDS])
    assert [vote.rank for vote in trace.votes] == list(range(1, many + 1))
    assert unpack_trace(pack_trace(trace)) == trace
