"""Figures: valid for Plotly, true to the points, honest about what they leave out."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from backend.charts import figures as charts
from backend.charts import panels
from backend.charts import scale as chart_scale
from backend.charts.figures import Window
from backend.charts.lines import Clock, Line
from backend.charts.smoothing import debiased_average
from backend.charts.static_chart import UNITS, still
from backend.metrics.service import Curve
from backend.run_view.views import AlarmView
from backend.runs.events import Resume


def curve(values: Sequence[float], every: int = 1) -> Curve:
    steps = np.arange(1, len(values) + 1, dtype=np.int64) * every
    return Curve(steps, 1000.0 + steps * 0.5, np.array(values, dtype=float), total=len(values))


def loss_figure(values: Sequence[float], window: Window = charts.WHOLE, **curves: Curve) -> dict[str, Any]:
    found = {"loss": curve(values), **curves}
    panel = panels.panel_of(found, "loss")
    assert panel
    return charts.figure(panel, found, "deterministic", window)


def test_a_figure_is_one_that_plotly_accepts() -> None:
    found = {"loss": curve([3.0, 2.0, math.nan]), "loss/halting": curve([0.3, 0.2, 0.1])}
    panel = panels.panel_of(found, "loss")
    assert panel
    alarm = AlarmView(name="collapse", step=2, value=0.0, threshold=0.1, text="Collapse")

    made = charts.figure(panel, found, "trm", Window(smoothing=0.6, log=True), [alarm])

    go.Figure(data=made["data"], layout=made["layout"])  # raises for anything Plotly does not know


def test_one_spike_among_ten_thousand_points_is_drawn() -> None:
    values = [1.0] * 10_000
    values[7_123] = 50.0

    raw = loss_figure(values)["data"][0]

    assert len(raw["x"]) <= charts.MAX_POINTS
    assert max(raw["y"]) == 50.0
    assert raw["x"][raw["y"].index(50.0)] == 7_124
    assert (raw["x"][0], raw["x"][-1]) == (1, 10_000)


@pytest.mark.parametrize("value", [0.001, -0.001, 1e-300, 5.0, 1e9])
def test_a_constant_curve_stands_in_the_middle_of_its_axis_away_from_zero(value: float) -> None:
    low, high = loss_figure([value] * 20)["layout"]["yaxis"]["range"]
    assert low < value < high
    assert (low + high) / 2 == pytest.approx(value)
    assert min(abs(low), abs(high)) > 0.4 * abs(value)


@pytest.mark.parametrize("decay", [0.0, 0.3, 0.9, 0.999])
def test_the_average_is_that_of_its_definition_over_all_points(decay: float) -> None:
    values = np.random.default_rng(0).normal(size=20_000)
    mean = weight = 0.0
    expected = []
    for value in values:
        mean = decay * mean + (1 - decay) * value
        weight = decay * weight + (1 - decay)
        expected.append(mean / weight)

    smoothed = debiased_average(values, decay)

    np.testing.assert_allclose(smoothed.values, expected, rtol=0, atol=1e-12)
    assert smoothed.mean / smoothed.weight == pytest.approx(expected[-1])


def test_the_average_of_a_constant_curve_is_that_constant() -> None:
    values = np.full(1_000, 4.0)

    assert (debiased_average(values, 0.6).values == 4.0).all()


def test_the_average_of_a_zoomed_window_is_the_one_of_the_whole_curve() -> None:
    values = list(np.random.default_rng(1).normal(size=400))
    whole = loss_figure(values, Window(smoothing=0.9))["data"][1]
    part = loss_figure(values, Window(low=200, high=300, smoothing=0.9))["data"][1]

    assert part["x"][0] == 199  # one beyond the edge, so that the line reaches it
    assert part["x"][-1] == 301
    at = whole["x"].index(250)
    assert part["y"][part["x"].index(250)] == whole["y"][at]


def test_nan_is_marked_at_its_step_and_not_drawn() -> None:
    made = loss_figure([3.0, math.nan, 2.0, math.inf])

    raw, _, marks = made["data"]
    assert raw["x"] == [1, 3]
    assert marks["x"] == [2, 4]
    assert made["notes"]["nan"] == 2
    assert made["notes"]["last_nan"] == {"loss": 4}
    assert made["layout"]["xaxis"]["range"][1] >= 4  # where it is no number belongs to the axis


def test_a_far_outlier_does_not_squash_the_axis_and_is_counted() -> None:
    values = list(1.0 + 0.1 * np.random.default_rng(2).normal(size=1000))
    values[500] = 1e6

    made = loss_figure(values, Window(log=False))

    low, high = made["layout"]["yaxis"]["range"]
    assert 0.5 < low < high < 2
    assert made["notes"]["off_scale"] >= 1
    assert max(made["data"][0]["y"]) == 1e6  # still in the trace: the full axis shows it


def test_a_loss_that_falls_from_a_high_start_is_not_clipped() -> None:
    values = [5 * math.exp(-i / 100) + 0.5 for i in range(1000)]

    low, high = loss_figure(values, Window(log=False))["layout"]["yaxis"]["range"]

    assert low < min(values)
    assert high > max(values)


def test_a_log_axis_marks_and_counts_what_it_cannot_draw() -> None:
    made = loss_figure([1.0, 0.0, -2.0, 3.0], Window(log=True))

    assert made["notes"]["not_positive"] == 2
    (low,) = [trace for trace in made["data"] if trace["meta"]["role"] == "low"]
    assert low["x"] == [2, 3]
    assert "▿" in still(made)


@pytest.mark.parametrize("log", [False, True])
def test_the_still_draws_every_spike_of_twenty_series_whatever_the_smoothing(log: bool) -> None:
    draw = np.random.default_rng(3)
    lines = []
    for number in range(20):
        values = 1.0 + 0.05 * draw.normal(size=20_000)
        values[1 + int(draw.integers(19_998))] = 1.5
        name = f"run {number}"
        lines.append(Line(name, name, "loss", name, "series-1", curve(values.tolist())))
    panel = panels.panel_of(["loss"], "loss")
    assert panel

    for smoothing in (0.0, 0.99):
        made = charts.lines_figure(panel, lines, Window(smoothing=smoothing, log=log))

        raws = [trace for trace in made["data"] if trace["meta"]["role"] == "raw"]
        assert [max(trace["y"]) for trace in raws] == [1.5] * 20
        paths = re.findall(r'class="raw" d="M(-?\d+) (-?\d+)l([^"]*)"', still(made))
        tops = [_highest(int(y), rest) for _, y, rest in paths]
        low, high = made["layout"]["yaxis"]["range"]
        at = math.log10(1.5) if log else 1.5
        expected = (1 - (at - low) / (high - low)) * UNITS
        assert tops == pytest.approx([expected] * 20, abs=1)


def _highest(y: int, moves: str) -> int:
    """The least y of a path of relative moves."""
    numbers = [int(each) for each in re.findall(r"-?\d+", moves)]
    return int(min(y + np.cumsum([0, *numbers[1::2]])))


def test_a_run_of_many_stands_on_any_axis() -> None:
    panel = panels.panel_of(["loss"], "loss")
    assert panel
    one = Line("a", "a", "loss", "a", "series-1", curve([2.0, 1.0], every=10), Clock(1000.0, 32.0, 0.5))

    reached = {
        axis: charts.lines_figure(panel, [one], Window(axis=axis))["layout"]["xaxis"]["range"]
        for axis in ("step", "samples", "epoch", "time", "wall")
    }

    assert reached == {
        "step": [10.0, 20.0],
        "samples": [320.0, 640.0],
        "epoch": [5.0, 10.0],
        "time": [5.0, 10.0],
        "wall": [1005.0, 1010.0],
    }
    made = charts.lines_figure(panel, [one], Window(axis="wall"))
    assert made["data"][0]["customdata"] == [1005.0, 1010.0]


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [(1500.0, "~s", "1.5k"), (200.0, "~s", "200"), (2.5e6, "~s", "2.5M"), (-0.5, ".6~g", "−0.5")],
)
def test_ticks_of_x_are_written_as_plotly_writes_them(value: float, form: str, text: str) -> None:
    assert chart_scale.formatted(value, form) == text


def test_a_running_time_is_shown_in_a_unit_that_suits_it() -> None:
    assert chart_scale.x_ticks("time", 0.0, 7200.0) == [
        (0.0, "0 h"),
        (1800.0, "0.5 h"),
        (3600.0, "1 h"),
        (5400.0, "1.5 h"),
        (7200.0, "2 h"),
    ]


def test_an_alarm_stands_at_its_step_and_moment() -> None:
    found = {"loss": curve([1.0] * 50, every=10)}
    panel = panels.panel_of(found, "loss")
    assert panel
    alarm = AlarmView(name="starvation", step=45, value=0.0, threshold=0.5, text="Starvation")

    (mark,) = charts.figure(panel, found, "deterministic", charts.WHOLE, [alarm])["marks"]

    assert mark["step"] == 45
    assert mark["wall_time"] == 1025.0  # of the first point from step 45 on: step 50


def test_a_resume_stands_where_what_came_after_it_begins() -> None:
    """By the lab at the step it resumed from, by a script at the first point that it logged from then on."""
    found = {"loss": curve([1.0] * 50, every=10)}
    panel = panels.panel_of(found, "loss")
    assert panel
    resumes = [Resume(1023.0, 20), Resume(1023.0, None), Resume(9999.0, None)]

    made = charts.figure(panel, found, "", charts.WHOLE, resumes=resumes)

    assert [(mark["kind"], mark["step"], mark["wall_time"]) for mark in made["marks"]] == [
        ("resume", 20, 1023.0),
        ("resume", 50, 1023.0),  # of the last nothing came yet
    ]
    assert still(made).count("↻ resumed") == 2


def test_a_curve_of_one_point_is_seen_on_an_axis_of_whole_steps() -> None:
    made = loss_figure([2.0])
    drawn = still(made)
    assert made["layout"]["xaxis"]["range"] == [0, 6]
    assert 'class="smooth is-point"' in drawn
    assert re.findall(r'class="x"[^>]*>([^<]+)<', drawn) == ["0", "1", "2", "3", "4", "5", "6"]
    assert "is-point" not in still(loss_figure([2.0, 1.0]))


def test_the_first_line_has_the_hue_of_the_variant_and_no_other_line_has_it() -> None:
    parts = {"loss/halting": curve([1.0]), "loss/kl": curve([1.0])}
    colours = [
        trace["meta"]["colour"]
        for trace in loss_figure([1.0], **parts)["data"]
        if trace["meta"]["role"] == "raw"
    ]

    assert colours[0] == "series-1"
    assert len(set(colours)) == 3


def test_every_metric_finds_a_place() -> None:
    names = ["accuracy/token", "loss", "loss/kl", "act_steps", "mine", "val/a", "val/b"]
    arranged = panels.arranged(names)

    placed = [metric for panel in arranged for metric in panel.metrics]
    assert sorted(placed) == sorted(names)
    assert [panel.title for panel in arranged if panel.section == "Other"] == ["mine", "val"]
