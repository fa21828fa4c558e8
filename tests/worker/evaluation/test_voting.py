"""Counting votes, and the published answers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.domain.arc.grid import Grid
from backend.domain.arc.judging import Candidate
from worker.evaluation.voting import Ballot, share_solved, truth_rank, vote
from worker.evaluation.voting_fixture import check_voting

GOLDEN = Path(__file__).parents[2] / "golden" / "voting"
A, B, C = (Grid.from_digits(digit) for digit in "123")


def test_more_votes_win_then_the_surer_then_the_first_seen() -> None:
    ballots = [Ballot(C, 0.9), Ballot(B, 0.2), Ballot(A, 0.1), Ballot(A, 0.3), Ballot(Grid(()), 0.2)]
    assert vote(ballots) == (
        Candidate(A, 2, 0.2),
        Candidate(C, 1, 0.9),
        Candidate(B, 1, 0.2),
        Candidate(Grid(()), 1, 0.2),
    )
    assert vote([]) == ()


@given(st.lists(st.tuples(st.sampled_from([A, B, C, Grid(())]), st.floats(0, 1))))
def test_every_ballot_counts_once_and_ranks_descend(cast: list[tuple[Grid, float]]) -> None:
    found = vote(Ballot(*ballot) for ballot in cast)
    assert sum(candidate.votes for candidate in found) == len(cast)
    assert len({candidate.grid for candidate in found}) == len(found)
    keys = [(candidate.votes, candidate.confidence) for candidate in found]
    assert keys == sorted(keys, reverse=True)


def test_the_rank_of_the_truth_counts_from_1() -> None:
    found = vote([Ballot(A, 0.5), Ballot(A, 0.5), Ballot(B, 0.5)])
    assert truth_rank(found, A) == 1
    assert truth_rank(found, B) == 2
    assert truth_rank(found, C) is None


def test_a_task_scores_the_share_of_its_test_inputs() -> None:
    ranks = [1, 2, None, 5]
    assert [share_solved(ranks, k) for k in (1, 2, 4, 5)] == [0.25, 0.5, 0.5, 0.75]


def test_the_published_crops_attempts_and_scores_are_met_exactly() -> None:
    checks = check_voting(GOLDEN / "voting.json", GOLDEN / "voting.npz")
    assert len(checks) == 60 + 12 + 6
    assert [check for check in checks if not check.passed] == []


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda spec, arrays: spec["expected_pass_at_k"].update({"2": 0.5}), "pass@2"),
        (
            lambda spec, arrays: spec["expected_crops_of_first_predictions"][3].append([1]),
            "crop of prediction 3",
        ),
        (
            lambda spec, arrays: spec["expected_attempts"]["150deff5"][0].update(attempt_2=[[0]]),
            "attempts at 150deff5, test 1",
        ),
        (lambda spec, arrays: arrays["preds"][:9].fill(2), "attempts at 1190e5a7, test 1"),
        (lambda spec, arrays: arrays["q_halt_logits"].__imul__(-1), "attempts at 1a07d186, test 1"),
    ],
)
def test_a_fixture_that_differs_fails_where_it_differs(tmp_path: Path, change: object, what: str) -> None:
    assert callable(change)
    spec = json.loads((GOLDEN / "voting.json").read_text())
    with np.load(GOLDEN / "voting.npz") as file:
        arrays = dict(file)
    change(spec, arrays)
    (tmp_path / "voting.json").write_text(json.dumps(spec))
    np.savez(tmp_path / "voting.npz", **arrays)
    checks = check_voting(tmp_path / "voting.json", tmp_path / "voting.npz")
    assert what in [check.what for check in checks if not check.passed]


def test_rows_that_only_fill_a_batch_do_not_vote(tmp_path: Path) -> None:
    shutil.copy(GOLDEN / "voting.json", tmp_path)
    with np.load(GOLDEN / "voting.npz") as file:
        arrays = {name: np.concatenate([array, array]) for name, array in file.items()}
    arrays["identifier"][len(arrays["identifier"]) // 2 :] = 0
    np.savez(tmp_path / "voting.npz", **arrays)
    checks = check_voting(tmp_path / "voting.json", tmp_path / "voting.npz")
    assert all(check.passed for check in checks)
