"""Figures: valid for Plotly, true to the points, honest about what they leave out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from backend.domain.experiment import ExperimentConfig
from backend.pages import charts, panels
from backend.pages.assets import FRONTEND
from backend.pages.charts import Window
from backend.pages.smoothing import debiased_average
from backend.services.run_view import AlarmView
from backend.services.series import Curve


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

    assert len(raw["x"]) <= charts.MOST_POINTS
    assert max(raw["y"]) == 50.0
    assert raw["x"][raw["y"].index(50.0)] == 7_124
    assert (raw["x"][0], raw["x"][-1]) == (1, 10_000)


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
    part = loss_figure(values, Window(first=200, last=300, smoothing=0.9))["data"][1]

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

    assert "range" not in loss_figure(values, Window(log=False))["layout"]["yaxis"]


def test_a_log_axis_counts_what_it_cannot_draw() -> None:
    assert loss_figure([1.0, 0.0, -2.0], Window(log=True))["notes"]["not_positive"] == 2


def test_an_alarm_stands_at_its_step_and_moment() -> None:
    found = {"loss": curve([1.0] * 50, every=10)}
    panel = panels.panel_of(found, "loss")
    assert panel
    alarm = AlarmView(name="starvation", step=45, value=0.0, threshold=0.5, text="Starvation")

    (mark,) = charts.figure(panel, found, "deterministic", charts.WHOLE, [alarm])["marks"]

    assert mark["step"] == 45
    assert mark["wall_time"] == 1025.0  # of the first point from step 45 on: step 50


def test_the_first_line_has_the_hue_of_the_variant_and_no_other_line_has_it() -> None:
    parts = {"loss/halting": curve([1.0]), "loss/kl": curve([1.0])}
    colours = [
        trace["meta"]["colour"]
        for trace in loss_figure([1.0], **parts)["data"]
        if trace["meta"]["role"] == "raw"
    ]

    assert colours[0] == "variant-deterministic"
    assert "series-1" not in colours  # the same hue under another name
    assert len(set(colours)) == 3


def test_every_metric_finds_a_place() -> None:
    names = ["accuracy/token", "loss", "loss/kl", "act_steps", "mine", "val/a", "val/b"]
    arranged = panels.arranged(names)

    placed = [metric for panel in arranged for metric in panel.metrics]
    assert sorted(placed) == sorted(names)
    assert [panel.title for panel in arranged if panel.section == "Other"] == ["mine", "val"]


def test_every_variant_has_a_hue() -> None:
    encoder = ExperimentConfig.model_json_schema()["$defs"]["EtrmModel"]["properties"]["encoder"]
    kinds = {*encoder["discriminator"]["mapping"], "trm"}
    tokens = (FRONTEND / "static/css/tokens.css").read_text()

    assert {kind for kind in kinds if f"--variant-{kind}:" not in tokens} == set()
    assert kinds - {"trm"} == set(charts.VARIANT_SERIES)
