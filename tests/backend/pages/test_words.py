"""Numbers and moments in words."""

from __future__ import annotations

import math
import time

import pytest

from backend.pages import words


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
    assert words.duration(seconds).replace(words.NBSP, " ") == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.3571, "0.357"),
        (1240.4, "1,240"),
        (3.14e-6, "3.14e-06"),
        (0, "0"),
        (math.nan, "–"),
        (None, "–"),
        (-0.05, "-0.0500"),
    ],
)
def test_a_measured_value_has_three_digits(value: float | None, said: str) -> None:
    assert words.significant(value) == said


def test_an_age_has_one_unit() -> None:
    assert words.ago(time.time() - 3700).replace(words.NBSP, " ") == "1 h ago"
    assert words.ago(time.time() + 5) == "just now"


def test_solved_tasks_are_whole_unless_a_test_input_was_missed() -> None:
    assert [words.solved(number) for number in (2.0, 0.5, 1.25)] == ["2", "0.5", "1.25"]


def test_a_grid_has_its_shape_in_words() -> None:
    assert [words.grid_shape(digits) for digits in ("012/345", "")] == ["2×3", "empty"]


def test_bytes_have_a_unit() -> None:
    assert [words.size(number).replace(words.NBSP, " ") for number in (512, 7_340_032, None)] == [
        "512 B",
        "7.3 MB",
        "–",
    ]


@pytest.mark.parametrize(
    ("share", "said"),
    [(0.631, "63.1 %"), (0.0, "0.0 %"), (-0.0, "0.0 %"), (9e-7, "< 0.1 %"), (math.nan, "–")],
)
def test_a_small_share_is_not_called_nothing(share: float, said: str) -> None:
    assert words.percent(share) == said


def test_a_difference_has_its_sign_and_nothing_has_none() -> None:
    assert [words.signed(each) for each in (7.04, -3.1, -0.01, 0.0)] == ["+7.0", "−3.1", "0.0", "0.0"]
    assert words.points(-2e-6) == "< 0.1 points"


def test_a_tiny_p_is_said_as_a_bound() -> None:
    assert [words.p_value(each) for each in (0.22, 0.00052, 1.1e-5)] == ["0.22", "0.00052", "< 0.0001"]
