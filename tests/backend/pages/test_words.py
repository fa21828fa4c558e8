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
