"""Charts of long curves are drawn from tiles, and look as if drawn from all points."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import Engine, update

from backend.charts import figures as charts
from backend.charts import panels
from backend.charts.lines import Clock
from backend.charts.smoothing import debiased_average
from backend.charts.view import ChartView, curves_of
from backend.comparison.service import over_seeds
from backend.db.session import reading_scope, session_scope
from backend.domain.records import MetricFrame
from backend.metrics import service as series
from backend.metrics.service import Curve
from backend.metrics.tables import Segment
from tests.support.records.rows import add_run

START = 1_790_000_000.0
LENGTH = 300_000
RUN = "aaaaaaaaaa"
CLOCK = Clock(START, 32.0, 0.5)
PANEL = panels.arranged(["own"])[0]

Values = NDArray[np.float64]


def noise(seed: int = 0) -> Values:
    """A curve that falls from 3 to 1, with noise."""
    draw = np.random.default_rng(seed).normal(scale=0.1, size=LENGTH)
    falling: Values = 1 + 2 * np.exp(-np.arange(LENGTH) / 30_000) + draw
    return falling


def record(engine: Engine, values: Values, run_id: str = RUN) -> None:
    """A run that logged the values as one metric, a step of 10 and half a second apart, and is over."""
    add_run(engine, run_id)
    steps = np.arange(len(values))
    frame = MetricFrame((steps * 10).tolist(), (START + steps / 2).tolist(), {"own": values.tolist()})
    with session_scope(engine) as session:
        series.append(session, run_id, frame)
        series.compact(session, run_id)


def forget_points(engine: Engine) -> None:
    """Whoever decodes a segment from now on fails."""
    with session_scope(engine) as session:
        session.execute(update(Segment).values(points=b""))


def read(engine: Engine, view: ChartView, run_id: str = RUN) -> Curve:
    with reading_scope(engine) as session:
        return curves_of(session, ["own"], {run_id: CLOCK}, view)[run_id]["own"]


def drawn(engine: Engine, view: ChartView) -> dict[str, Any]:
    figure = charts.figure(PANEL, {"own": read(engine, view)}, "trm", view.window(PANEL), clock=CLOCK)
    return {**figure, **{trace["meta"]["role"]: trace for trace in figure["data"]}}


def test_a_long_curve_shows_every_spike_and_every_kind_of_nan_without_its_points(engine: Engine) -> None:
    values = noise()
    spikes = np.arange(20) * 15_000 + np.random.default_rng(1).integers(1_000, 14_000, size=20)
    values[spikes] = 20.0 + np.arange(20)
    values[[70_001, 70_002, 70_003, 250_000]] = [math.nan, math.inf, math.nan, -math.inf]
    record(engine, values)
    forget_points(engine)

    made = drawn(engine, ChartView(smoothing=0.6))

    raw = made["raw"]
    assert set((spikes * 10).tolist()) <= set(raw["x"])
    assert len(raw["x"]) <= charts.MAX_POINTS
    assert raw["y"] == pytest.approx(values[np.array(raw["x"]) // 10].tolist(), rel=1e-6)
    assert raw["meta"]["thinned"]
    assert made["notes"]["nan"] == 4
    assert made["notes"]["last_nan"] == {"own": 2_500_000}
    assert {700_010, 700_030, 2_500_000} <= set(made["nan"]["x"])
    for trace in (made["raw"], made["smooth"]):
        assert trace["x"][-1] == 10 * (LENGTH - 1)
    assert made["layout"]["xaxis"]["range"] == [0, 10 * (LENGTH - 1)]


@pytest.mark.parametrize("decay", [0.0, 0.9, 0.999, 0.99999])
def test_its_average_is_the_one_of_all_points(engine: Engine, decay: float) -> None:
    values = noise()
    record(engine, values)
    expected = debiased_average(values, decay)

    smooth = drawn(engine, ChartView(smoothing=decay))["smooth"]

    assert len(smooth["x"]) > 200
    places = np.array(smooth["x"]) // 10
    # Where a mean reaches back over fewer points than a bucket has, the mean of the bucket stands for it.
    near = 0.02 if decay >= 0.999 else 0.5
    np.testing.assert_allclose(smooth["y"], expected.values[places], rtol=0, atol=near)
    state = smooth["meta"]["average"]
    assert state["weight"] == pytest.approx(expected.weight)
    assert state["mean"] / state["weight"] == pytest.approx(values[-2_000:].mean(), abs=0.05)


def test_a_constant_curve_is_a_straight_line(engine: Engine) -> None:
    record(engine, np.full(LENGTH, 0.1))

    made = drawn(engine, ChartView(smoothing=0.9))

    assert set(made["raw"]["y"]) == set(made["smooth"]["y"]) == {0.1}
    assert made["smooth"]["meta"]["average"]["mean"] == pytest.approx(0.1)


def test_far_spikes_do_not_squash_the_axis_and_are_counted_and_noise_is_no_spike(engine: Engine) -> None:
    values = noise()
    record(engine, values)
    made = drawn(engine, ChartView(smoothing=0.9))
    low, high = made["layout"]["yaxis"]["range"]
    assert low < values.min() < values.max() < high
    assert made["notes"]["off_scale"] == 0

    values[np.arange(20) * 10_000 + 77] = 1e6
    record(engine, values, "bbbbbbbbbb")
    far = charts.figure(PANEL, {"own": read(engine, ChartView(), "bbbbbbbbbb")}, "trm")
    low, high = far["layout"]["yaxis"]["range"]
    assert low < values.min()
    assert 3 < high < 10
    assert far["notes"]["off_scale"] == 20
    assert far["data"][0]["y"].count(1e6) == 20


def test_what_a_logarithmic_axis_cannot_show_is_counted(engine: Engine) -> None:
    values = noise()
    values[40_000:80_000] = 0.0
    values[200_000] = -1.0
    record(engine, values)

    made = drawn(engine, ChartView(toggled=frozenset([PANEL.id])))

    # Of the two buckets where the stretch of zeros begins and ends, one zero is known each.
    assert 40_000 - 2 * 1024 < made["notes"]["not_positive"] <= 40_001
    assert 2_000_000 in made["low"]["x"]
    assert made["layout"]["yaxis"]["range"][0] > -1


@pytest.mark.parametrize(
    ("axis", "per_step", "zero"), [("step", 1.0, 0.0), ("samples", 32.0, 0.0), ("time", 0.05, 0.0)]
)
def test_a_window_shows_every_point_in_it(engine: Engine, axis: Any, per_step: float, zero: float) -> None:
    values = noise()
    record(engine, values)
    low, high = 1_234_560, 1_236_550
    view = ChartView(axis, 0.99, zero + low * per_step, zero + high * per_step)

    made = drawn(engine, view)

    assert made["raw"]["x"] == list(range(low - 10, high + 11, 10))  # one beyond each edge
    expected = debiased_average(values, 0.99).values[low // 10 - 1 : high // 10 + 2]
    np.testing.assert_allclose(made["smooth"]["y"], expected, rtol=0, atol=0.02)
    assert made["notes"]["nan"] == 0


def test_a_wider_window_is_drawn_as_finely_as_the_whole_and_between_two_points_is_a_line(
    engine: Engine,
) -> None:
    record(engine, noise())

    wide = drawn(engine, ChartView(low=500_000, high=1_000_000))["raw"]
    between = drawn(engine, ChartView(low=1_000_003, high=1_000_007))["raw"]

    inside = [step for step in wide["x"] if 500_000 <= step <= 1_000_000]
    assert 600 < len(inside) <= charts.MAX_POINTS
    assert max(np.diff(inside)) < 2_500
    assert between["x"] == [1_000_000, 1_000_010]


def test_seeds_are_one_mean_and_the_band_holds_every_spike(engine: Engine) -> None:
    seeds = [noise(seed) for seed in range(3)]
    seeds[1][150_123] = 30.0
    for number, values in enumerate(seeds):
        record(engine, values, f"seed00000{number}")
    forget_points(engine)
    members = [read(engine, ChartView(), f"seed00000{number}") for number in range(3)]

    band = over_seeds(members, [START] * 3)

    assert len(band.mean.steps) < 4_000
    mean = np.mean(seeds, axis=0)
    smooth = debiased_average(mean, 0.9999).values
    line = charts.Line("m", RUN, "own", "mean", "series-1", band.mean, CLOCK, band=(band.low, band.high))
    made = charts.lines_figure(PANEL, [line], charts.Window(smoothing=0.9999))
    lower, upper, _, average, _ = made["data"]
    assert max(upper["y"]) == 30.0
    at = np.minimum(np.array(average["x"]) // 10, LENGTH - 1)
    np.testing.assert_allclose(average["y"], smooth[at], rtol=0, atol=0.05)
    assert (np.array(lower["y"]) < 1.2 + 2).all()
    assert average["meta"]["average"]["weight"] == pytest.approx(1 - 0.9999**LENGTH)
