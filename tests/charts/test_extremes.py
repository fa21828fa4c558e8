"""Axis arithmetic over all doubles: a figure is drawn, and every number in it is finite."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backend.charts import figures, panels, scale
from backend.charts.figures import Window
from backend.charts.lines import Axis, Clock
from backend.charts.sparklines import _drawn
from backend.charts.static_chart import still
from backend.charts.view import chart_view
from backend.comparison.service import over_seeds
from backend.domain.statistics import mean_of, mean_of_shares
from backend.metrics.service import Curve, _course

EDGES = (0.0, -0.0, 5e-324, -5e-324, 1e-300, 1e16, 3.2e17, 1e300, 1e308, 1.7976931348623157e308, -1.7e308)
SPECIAL = st.sampled_from((*EDGES, 1.0, math.nan, math.inf, -math.inf))
VALUES = st.lists(SPECIAL | st.floats(), min_size=1, max_size=12)
MOMENTS = st.lists(st.floats(0, 1e11), min_size=12, max_size=12)
ENDS = st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from(EDGES)
NAMES = ("loss", "accuracy/token", "own", "memory/peak")


def curve(values: list[float], moments: list[float] | None = None) -> Curve:
    steps = np.arange(len(values), dtype=np.int64)
    times = np.array(moments[: len(values)] if moments else 1.7e9 + steps, dtype=float)
    return Curve(steps, times, np.array(values, dtype=float), len(values))


def drawn(found: Curve, name: str, window: Window) -> dict[str, Any]:
    """The figure, with the checks that every figure passes."""
    panel = panels.arranged([name])[0]
    made = figures.figure(panel, {name: found}, "trm", window, clock=Clock(1000.0, 32.0, 0.1))
    json.dumps(made, allow_nan=False)
    for axis in ("xaxis", "yaxis"):
        low, high = made["layout"][axis]["range"]
        assert math.isfinite(high - low)
        assert low < high
    svg = str(still(made, window.axis))
    assert not re.search(r"nan|inf", re.sub(r"<text.*?</text>", "", svg).replace("<line", ""))
    return made


@example([1e308], None, "accuracy/token", True, "step", (None, None), 0.0)  # no percentage is that great
@example([1.7976931348623157e308] * 2, None, "loss", False, "step", (None, None), 0.999)  # rounds up
@given(
    values=VALUES,
    moments=st.none() | MOMENTS,
    name=st.sampled_from(NAMES),
    log=st.booleans(),
    axis=st.sampled_from(("step", "samples", "epoch", "time", "wall")),
    ends=st.tuples(ENDS, ENDS),
    smoothing=st.sampled_from((0.0, 0.6, 0.999)),
)
def test_any_values_at_any_moments_are_drawn(
    values: list[float],
    moments: list[float] | None,
    name: str,
    log: bool,
    axis: Axis,
    ends: tuple[float | None, float | None],
    smoothing: float,
) -> None:
    view = chart_view(axis, smoothing, *ends)
    drawn(curve(values, moments), name, Window(view.low, view.high, smoothing, log, axis))


@given(values=VALUES)
def test_any_course_is_a_line_in_its_box(values: list[float]) -> None:
    for pair in _drawn(_course(curve(values)), "loss").split():
        assert all(-1 <= float(each) <= 101 for each in pair.split(","))


@given(st.lists(SPECIAL | st.floats(), min_size=1, max_size=5))
def test_a_mean_of_any_values_is_one(values: list[float]) -> None:
    for mean in (mean_of(values), mean_of_shares(values)):
        assert mean is not None
        assert mean.n == len(values)
        if all(map(math.isfinite, values)):
            assert min(values) * (1 - 1e-9) - 1e-300 <= mean.mean or mean.mean == pytest.approx(min(values))
            assert mean.low is None or (math.isfinite(mean.low) and mean.low <= mean.mean <= (mean.high or 0))
        else:
            assert not math.isfinite(mean.mean)
            assert mean.low is None


@given(st.lists(st.lists(SPECIAL | st.floats(), min_size=3, max_size=3), min_size=1, max_size=3))
def test_the_mean_over_seeds_lies_among_them(seeds: list[list[float]]) -> None:
    band = over_seeds([curve(values) for values in seeds], [1.7e9] * len(seeds))
    assert (band.low.values <= band.mean.values).all()
    assert (band.mean.values <= band.high.values).all()
    assert np.isfinite(band.mean.values).all()


@pytest.mark.parametrize("value", [1e16, 3.2e17, 1e300, 5e-324, -1e200, 0.0])
def test_a_constant_is_a_line_in_the_middle(value: float) -> None:
    made = drawn(curve([value] * 3), "own", Window())
    low, high = made["layout"]["yaxis"]["range"]
    assert low < value < high or value == 0
    assert made["data"][0]["y"] == pytest.approx([value] * 3)


def test_a_value_beyond_all_axes_is_counted_and_leaves_room_to_the_others() -> None:
    made = drawn(curve([1.0, 1e308, 2.0]), "own", Window())
    assert made["layout"]["yaxis"]["range"][1] < 3
    assert made["notes"]["off_scale"] == 1


def test_moments_that_go_back_are_all_on_the_axis() -> None:
    start = 1.7e9
    made = drawn(curve([1.0, 2.0, 3.0], [start, start - 3600, start - 3500]), "own", Window(axis="wall"))
    assert made["layout"]["xaxis"]["range"] == [start - 3600, start]
    zoomed = drawn(
        curve([1.0, 2.0, 3.0], [start, start - 3600, start - 3500]),
        "own",
        Window(start - 3700, start - 3550, axis="wall"),
    )
    assert zoomed["data"][0]["x"] == [0, 1, 2]  # the second, and both lines that lead to it


def test_a_window_that_is_upside_down_is_turned_over() -> None:
    view = chart_view(low=7.0, high=3.0)
    assert (view.low, view.high) == (3.0, 7.0)


def test_ticks_are_told_apart_at_any_scale() -> None:
    for low, high in ((0.0, 1e-20), (1e15, 1e15 + 8), (-1e299, 1e299), (0, 1e-289)):
        places = scale.ticks(low, high, 5)
        assert len(set(places)) == len(places) >= 2
