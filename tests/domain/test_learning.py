"""The verdict on learning: what accuracies and held-out scores say together, and what they do not say."""

from __future__ import annotations

from typing import Any

import pytest

from backend.domain.experiment import HealthConfig
from backend.domain.learning import LEVELS, WORDS, Learnt, Word, judge
from backend.domain.records import Score
from backend.kit.format import NBSP


def learnt(**known: Any) -> Learnt:
    """A finished run of 600 steps of which this is known."""
    values: dict[str, Any] = {"steps": 600, "planned": 600, "is_over": True}
    return Learnt(**values | known)


@pytest.mark.parametrize(
    ("known", "word"),
    [
        ({}, "no data yet"),
        # A newcomer's run: the gradients were sound, and it had learned nothing.
        ({"exact": 0.0, "token": 0.61, "baseline": 0.72, "held_out": Score(0, 16)}, "not learning"),
        ({"exact": 0.0, "token": 0.735, "baseline": 0.72}, "not learning"),
        # Nobody recorded what a token accuracy is worth, as older runs did not, or the accuracy itself.
        ({"exact": 0.0, "token": 0.80}, "cannot be told"),
        ({"exact": 0.0, "baseline": 0.72}, "cannot be told"),
        ({"token": 0.99, "held_out": Score(0, 24)}, "cannot be told"),
        ({"exact": 0.02, "token": 0.80}, "underfits"),  # whole grids come of nothing but learning
        ({"exact": 0.0, "token": 0.80, "held_out": Score(12, 24)}, "generalises"),
        ({"exact": 0.0, "token": 0.80, "steps": 5}, "too early"),
        ({"exact": 0.0, "token": 0.80, "baseline": 0.72}, "underfits"),
        ({"exact": 0.1, "token": 0.70, "baseline": 0.72, "held_out": Score(0, 16)}, "underfits"),
        ({"exact": 0.9}, "fits"),
        ({"exact": 0.6, "held_out": Score(0, 2)}, "fits"),  # two tasks say nothing
        ({"exact": 0.9, "held_out": Score(0, 16)}, "fits but does not generalise"),
        ({"exact": 0.9, "held_out": Score(1, 16)}, "fits but does not generalise"),  # one may be luck
        ({"exact": 0.9, "held_out": Score(3, 400)}, "fits but does not generalise"),
        ({"exact": 0.9, "held_out": Score(10, 400)}, "barely generalises"),
        ({"exact": 0.9, "held_out": Score(160, 400)}, "generalises"),  # a gap, and yet no luck
        ({"exact": 0.9, "held_out": Score(81, 100)}, "generalises"),
        ({"exact": 0.05, "held_out": Score(10, 400)}, "generalises"),  # as far as it has learned
        ({"held_out": Score(12, 24)}, "generalises"),
        ({"held_out": Score(0, 24)}, "cannot be told"),
        ({"exact": 0.0, "steps": 5, "is_over": False}, "too early"),
        ({"exact": 0.0, "steps": 5}, "too early"),  # cancelled
        ({"exact": 0.0, "steps": 149, "is_over": False}, "too early"),
        ({"exact": 0.0, "steps": 150, "is_over": False}, "cannot be told"),
        ({"exact": 0.0, "token": 0.6, "baseline": 0.7, "steps": 150, "is_over": False}, "not learning"),
        ({"exact": 0.3, "steps": 500, "is_over": False}, "too early"),  # it still rises
        ({"exact": 0.9, "steps": 5, "is_over": False}, "fits"),
        ({"exact": 0.0, "planned": None, "is_over": False}, "too early"),
        ({"exact": 0.0, "planned": None}, "cannot be told"),
        # The config's largest gap, as in health.
        ({"exact": 0.9, "held_out": Score(10, 400), "largest_gap": 0.9}, "generalises"),
        ({"exact": 0.9, "held_out": Score(10, 400), "largest_gap": 0.8}, "barely generalises"),
        ({"exact": 0.2, "held_out": Score(10, 400), "largest_gap": 0.1}, "barely generalises"),
    ],
)
def test_each_verdict(known: dict[str, Any], word: Word) -> None:
    assert judge(learnt(**known)).word == word


def test_the_sentence_gives_every_number_with_its_denominator() -> None:
    found = judge(learnt(exact=0.9, token=0.97, baseline=0.72, held_out=Score(0, 16)))
    assert found.sentence.replace(NBSP, " ") == (
        "Fits but does not generalise: 90.0 % of training grids and 97.0 % of tokens (72.0 % without "
        "learning) right; 0/16 held-out tasks solved [0 to 19 %]; step 600 of 600."
    )
    assert (found.level, judge(learnt(held_out=Score(8, 16))).level) == ("warning", "good")
    older = judge(learnt(exact=0.0, token=0.97))
    assert older.sentence.replace(NBSP, " ") == (
        "Cannot be told: 0.0 % of training grids and 97.0 % of tokens (not recorded without learning) right; "
        "no held-out score yet; step 600 of 600."
    )
    assert older.level == "quiet"


def test_a_gap_is_large_from_where_health_says_so() -> None:
    assert Learnt(1, 1, True).largest_gap == HealthConfig().largest_gap


def test_only_a_run_that_generalises_is_good() -> None:
    assert set(LEVELS) == set(WORDS)
    assert [word for word, level in LEVELS.items() if level == "good"] == ["generalises"]


def test_more_solved_never_makes_the_verdict_worse() -> None:
    order = (
        "not learning",
        "underfits",
        "fits but does not generalise",
        "fits",
        "barely generalises",
        "generalises",
    )
    for exact in (0.0, 0.1, 0.5, 0.7, 1.0):
        known = {"exact": exact, "token": 0.7, "baseline": 0.72}
        words = [judge(learnt(**known, held_out=Score(solved, 50))).word for solved in range(51)]
        places = [order.index(word) for word in words]
        assert places == sorted(places), (exact, words)
