"""Contrast by WCAG: text at least 4.5 to 1, lines and marks at least 3 to 1, by day and by night."""

from __future__ import annotations

import re

import pytest

from backend.web.assets import FRONTEND

TEXT = [
    (ink, ground)
    for ink in ("ink", "ink-soft", "accent", "danger", "warning", "good")
    for ground in ("paper", "wash")
]
TEXT += [
    ("accent-ink", "accent"),
    ("ink-soft", "sunken"),
    ("warning", "warning-wash"),
    ("danger", "danger-wash"),
    ("ink", "accent-wash"),
]
MARKS = [
    (name, "paper")
    for name in ("accent", "danger", "variant-external", "series-1", "series-3", "series-6", "series-7")
]


def tokens() -> dict[str, dict[str, str]]:
    """Colours by day, and by night what is otherwise."""
    sheet = (FRONTEND / "static/css/tokens.css").read_text()
    day, _, night = sheet.partition("@media (prefers-color-scheme: dark)")
    found = [dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", part)) for part in (day, night)]
    return {"day": found[0], "night": found[0] | found[1]}


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("time", ["day", "night"])
def test_text_can_be_read(time: str) -> None:
    colours = tokens()[time]

    found = {pair: round(contrast(colours[pair[0]], colours[pair[1]]), 2) for pair in TEXT}
    assert {pair: ratio for pair, ratio in found.items() if ratio < 4.5} == {}


@pytest.mark.parametrize("time", ["day", "night"])
def test_marks_can_be_seen(time: str) -> None:
    colours = tokens()[time]

    found = {pair: round(contrast(colours[pair[0]], colours[pair[1]]), 2) for pair in MARKS}
    assert {pair: ratio for pair, ratio in found.items() if ratio < 3} == {}
