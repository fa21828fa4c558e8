"""What a bar measures, as people write it."""

from __future__ import annotations

import math

import pytest

from backend.domain import metrics
from backend.domain.hypothesis.measure import Measure, Term, holds, parse


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("accuracy/token", Measure(Term("accuracy/token"))),
        (" loss:min ", Measure(Term("loss", "min"))),
        ("pass@1", Measure(Term(k=1))),
        ("pass2 on arc-agi-1/evaluation", Measure(Term(k=2, set_name="arc-agi-1/evaluation"))),
        ("accuracy/exact - pass@1", Measure(Term("accuracy/exact"), "-", Term(k=1))),
        ("loss:min / loss:max", Measure(Term("loss", "min"), "/", Term("loss", "max"))),
    ],
)
def test_a_measure_is_read_and_written(text: str, meant: Measure) -> None:
    assert parse(text) == meant
    assert parse(str(meant)) == meant


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pass@3", "evaluations count k = 1, 2, 5, 10"),
        ("accuracy/token:best", "accuracy/token:min"),
        ("token accuracy", "cannot be read at 'token accuracy'"),
        ("a - b - c", "more than two terms"),
        ("", "cannot be read"),
    ],
)
def test_what_cannot_be_read_says_how_to_write_it(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse(text)


def test_values_lie_where_shares_and_their_differences_do() -> None:
    assert parse("pass@1").range == (0, 1)
    assert parse("pass@1 - accuracy/exact").range == (-1, 1)
    assert parse("loss").range == parse("pass@1 / accuracy/exact").range == (-math.inf, math.inf)


def test_nan_meets_no_bar_and_a_division_by_zero_is_nan() -> None:
    assert math.isnan(parse("loss / loss:min").value((1.0, 0.0)))
    assert not any(holds(math.nan, sign, 0.0) for sign in (">=", "<=", ">", "<"))
    assert holds(0.5, ">=", 0.5)
    assert not holds(0.5, ">", 0.5)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("acuracy/token", "accuracy/token"),
        ("token", "accuracy/token"),
        ("zzz", "known are accuracy/token"),
    ],
)
def test_an_unknown_series_is_told_what_was_probably_meant(name: str, meant: str) -> None:
    assert meant in metrics.suggestion(name)
