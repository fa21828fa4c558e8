"""What templates show values with."""

from __future__ import annotations

from backend.web import format as words


def test_a_grid_has_its_shape_in_words() -> None:
    assert [words.grid_shape(digits) for digits in ("012/345", "")] == ["2×3", "empty"]
