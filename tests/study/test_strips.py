"""The drawings of a study's claims."""

from __future__ import annotations

from backend.study.strips import drawn
from backend.study.views import TestView as View  # pytest would collect the other name


def judged(unit: str, value: float | None, low: float | None, high: float | None, bar: float = 0.0) -> View:
    return View.model_validate(
        {
            "measure": "pass@1", "of": "a", "minus": "b", "comparison": ">", "bar": bar, "asks": "",
            "unit": unit, "value": value, "low": low, "high": high, "seeds": 3, "verdict": "undecided",
            "words": "", "samples": [],
        }
    )  # fmt: skip


def test_all_claims_in_points_and_shares_share_one_axis() -> None:
    wide = drawn(judged("points", 0.5, -1.0, 1.0, bar=0.25)).overview
    narrow = drawn(judged("share", 0.25, 0.2, 0.3)).overview
    assert wide is not None
    assert narrow is not None
    assert wide.low is not None
    assert wide.high is not None
    assert wide.zero == narrow.zero == (wide.low + wide.high) / 2
    assert narrow.value == wide.bar
    assert narrow.low is not None
    assert narrow.high is not None
    assert 19 < (wide.high - wide.low) / (narrow.high - narrow.low) < 21


def test_the_axis_has_no_place_for_other_numbers() -> None:
    for test in (judged("number", 0.5, 0.0, 1.0), judged("points", None, None, None)):
        assert drawn(test).overview is None
    assert drawn(judged("points", 0.5, None, None)).overview is None


def test_an_interval_ends_where_the_axis_ends() -> None:
    whole = drawn(judged("points", 0.5, -1.0, 1.0)).overview
    beyond = drawn(judged("points", 0.5, -1.5, 1.5)).overview
    assert whole is not None
    assert beyond is not None
    assert (beyond.low, beyond.high) == (whole.low, whole.high)
