"""pass@k up to all candidates, against the definition."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from backend.scores.oracle import oracle_of

ranks = st.dictionaries(
    st.text("abc", min_size=1, max_size=3),
    st.lists(st.none() | st.integers(1, 40), min_size=1, max_size=3),
    min_size=1,
)


@given(ranks, st.integers(40, 3000))
def test_the_curve_never_falls_and_ends_at_the_share_with_the_truth_among_the_candidates(
    found: dict[str, list[int | None]], candidates: int
) -> None:
    oracle = oracle_of(found, candidates)
    assert oracle is not None
    solved = [each.solved for each in oracle.attempts]
    ks = [each.k for each in oracle.attempts]
    assert solved == sorted(solved)
    assert ks == sorted(set(ks))
    assert ks[-1] == candidates
    among = [sum(rank is not None for rank in of_task) / len(of_task) for of_task in found.values()]
    assert abs(solved[-1] - sum(among)) < 1e-9
    assert oracle.attempts[-1] == oracle.score
    assert oracle.score.n == len(found)
    assert oracle.whole_tasks == among.count(1)
    every = [rank for of_task in found.values() for rank in of_task]
    assert (oracle.found, oracle.test_inputs) == (sum(rank is not None for rank in every), len(every))
    if oracle.deepest is not None:
        at_deepest = [each.solved for each in oracle.attempts if each.k >= oracle.deepest]
        assert set(at_deepest) == {oracle.score.solved}


def test_nothing_scored_has_no_oracle() -> None:
    assert oracle_of({}, 8) is None
