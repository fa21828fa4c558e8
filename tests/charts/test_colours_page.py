"""Contrast by WCAG: text at least 4.5 to 1, lines and marks at least 3 to 1, by day and by night."""

from __future__ import annotations

import re
from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

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
    for name in (
        "accent",
        "danger",
        "variant-external",
        "series-1",
        "series-3",
        "series-6",
        "series-7",
        "series-8",
        "series-9",
    )
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


SIGHTS = {
    "usual": np.eye(3),
    "protan": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deutan": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritan": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
TO_CONES = np.array(
    [
        [0.41222147, 0.53633254, 0.05144599],
        [0.2119035, 0.68069955, 0.10739696],
        [0.08830246, 0.28171884, 0.6299787],
    ]
)
TO_LAB = np.array(
    [
        [0.21045426, 0.79361779, -0.00407205],
        [1.9779985, -2.42859221, 0.45059371],
        [0.02590404, 0.78277177, -0.80867577],
    ]
)


def oklab(colour: str, sight: NDArray[np.float64] = np.eye(3)) -> NDArray[np.float64]:  # noqa: B008
    channels = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    lab: NDArray[np.float64] = TO_LAB @ np.cbrt(TO_CONES @ np.clip(sight @ linear, 0, 1))
    return lab


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


@pytest.mark.parametrize("time", ["day", "night"])
def test_hues_stay_apart_for_every_kind_of_sight(time: str) -> None:
    """Distances in OKLab, as the three kinds of colour blindness see the hues (Machado et al., 2009)."""
    colours = tokens()[time]
    hues = [name for name in colours if name.startswith("series-")]
    assert len(hues) == 9
    seen = {sight: {name: oklab(colours[name], matrix) for name in hues} for sight, matrix in SIGHTS.items()}
    distances = {
        (one, other): min(float(np.linalg.norm(labs[one] - labs[other])) for labs in seen.values())
        for one, other in combinations(hues, 2)
    }
    assert {pair: distance for pair, distance in distances.items() if distance < 0.05} == {}


def test_the_blues_of_two_encoders_differ_by_night_as_by_day() -> None:
    apart = [
        float(np.linalg.norm(oklab(colours["series-1"]) - oklab(colours["series-5"])))
        for colours in tokens().values()
    ]
    assert min(apart) > 0.13
