"""Numbers and moments in format."""

from __future__ import annotations

import math
import time

import pytest

from backend.kit import clock, format
from backend.kit.format import first_of
from backend.kit.problems import one_of


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (59.6, "1 m"),
        (192, "3 m 12 s"),
        (7500, "2 h 5 m"),
        (7200, "2 h"),
        (100_800, "1 d 4 h"),
        (None, "–"),
    ],
)
def test_a_duration_has_two_units_at_most(seconds: float | None, said: str) -> None:
    assert format.duration(seconds).replace(format.NBSP, " ") == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.3571, "0.357"),
        (1240.4, "1,240"),
        (3.14e-6, "3.14e-06"),
        (0, "0"),
        (math.nan, "NaN"),
        (None, "–"),
        (-0.05, "-0.0500"),
    ],
)
def test_a_measured_value_has_three_digits(value: float | None, said: str) -> None:
    assert format.significant(value) == said


def test_an_age_has_one_unit() -> None:
    assert clock.ago(time.time() - 3700).replace(format.NBSP, " ") == "1 h ago"
    assert clock.ago(time.time() + 5) == "just now"


def test_solved_tasks_are_whole_unless_a_test_input_was_missed() -> None:
    assert [format.solved(number) for number in (2.0, 0.5, 1.25)] == ["2", "0.5", "1.25"]


def test_bytes_have_a_unit() -> None:
    assert [format.size(number).replace(format.NBSP, " ") for number in (512, 7_340_032, None)] == [
        "512 B",
        "7.3 MB",
        "–",
    ]


@pytest.mark.parametrize(
    ("share", "said"),
    [(0.631, "63.1 %"), (0.0, "0.0 %"), (-0.0, "0.0 %"), (9e-7, "< 0.1 %"), (math.nan, "NaN")],
)
def test_a_small_share_is_not_called_nothing(share: float, said: str) -> None:
    assert format.percent(share) == said


@pytest.mark.parametrize(
    ("share", "digits", "said"),
    [
        (0.357, 1, "35.7 %"),
        (0.01, 1, "1.0 %"),
        (0.0003, 1, "0.03 %"),
        (0.00046, 0, "0.046 %"),
        (0.02, 0, "2 %"),
        (0.023, 0, "2.3 %"),
        (1.0, 0, "100 %"),
        (0.0, 1, "0.0 %"),
        (1e-5, 1, "0.001 %"),
        (9.99e-6, 0, "< 0.001 %"),
        (2e-7, 1, "< 0.001 %"),
        (5e-324, 1, "< 0.001 %"),
        (None, 1, "–"),
        (math.nan, 1, "NaN"),
    ],
)
def test_a_share_that_matters_has_two_digits_down_to_a_thousandth_of_a_percent(
    share: float | None, digits: int, said: str
) -> None:
    assert format.fine_percent(share, digits).replace(format.NBSP, " ") == said


def test_a_difference_has_its_sign_and_nothing_has_none() -> None:
    assert [format.signed(each) for each in (7.04, -3.1, -0.01, 0.0)] == ["+7.0", "−3.1", "0.0", "0.0"]
    assert format.points(-2e-6) == "< 0.1 points"


def test_a_tiny_p_is_said_as_a_bound() -> None:
    assert [format.p_value(each) for each in (0.22, 0.00052, 1.1e-5)] == ["0.22", "0.00052", "< 0.0001"]


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0 runs"), (1, "1 run"), (2, "2 runs"), (1200, "1,200 runs")]
)
def test_a_number_has_the_noun_in_its_number(number: int, said: str) -> None:
    assert format.counted(number, "run") == said


def test_an_irregular_plural_is_given() -> None:
    assert [format.counted(n, "entry", "entries") for n in (1, 2)] == ["1 entry", "2 entries"]


@pytest.mark.parametrize(
    ("seconds", "said"), [(45, "45 s"), (720, "12 min"), (12_600, "3.5 h"), (181_440, "2.1 days")]
)
def test_a_rough_duration_has_one_unit(seconds: float, said: str) -> None:
    assert format.rough_duration(seconds) == said


def test_what_json_cannot_hold_is_none() -> None:
    assert [format.finite(value) for value in (1.5, math.nan, -math.inf, None)] == [1.5, None, None, None]


def test_a_moment_of_today_is_a_time_and_another_a_date() -> None:
    now = time.time()
    assert clock.time_or_date(now) == clock.time_of_day(now)
    earlier = now - 3 * 86400
    assert clock.time_or_date(earlier) == clock.to_the_minute(earlier)
    assert clock.to_the_minute(None, "never") == "never"


def test_a_list_of_names_has_an_end() -> None:
    assert first_of(["a", "b"], 2) == "a, b"
    assert first_of([str(number) for number in range(2002)], 2) == "0, 1 and 2,000 more"
    assert one_of("none like it", [f"metric-{number}" for number in range(2500)]).endswith("and 2,450 more.")
