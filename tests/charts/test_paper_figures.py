"""A chart as a figure for a paper: its titles, its lines and what they leave out, from the same curves."""

from __future__ import annotations

import csv
import io
import math
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from backend.charts import panels
from backend.charts.figures import lines_figure
from backend.charts.lines import Axis, Clock, Line, Window
from backend.charts.paper import curves_figure, hex_colour
from backend.comparison.service import over_seeds
from backend.kit.exports.figures import Figure, figure_file
from backend.kit.expressions import parse
from backend.kit.format import counted
from backend.metrics.expressions import of_run
from backend.metrics.service import Curve

EDGES = (0.0, -0.0, 5e-324, 1e-300, 3.2e17, 1e300, 1.7976931348623157e308, -1.7e308, math.nan, math.inf)
Drawn = dict[tuple[str, str], list[tuple[float, float]]]


def curve(values: Sequence[float], moments: Sequence[float] | None = None) -> Curve:
    steps = np.arange(len(values), dtype=np.int64)
    times = np.array(moments[: len(values)] if moments else 1.7e9 + steps, dtype=float)
    return Curve(steps, times, np.array(values, dtype=float), len(values))


def figure(lines: Sequence[Line], window: Window = Window(smoothing=0.9), name: str = "") -> Figure:  # noqa: B008
    panel = panels.panel_of_one(name or lines[0].metric, panels.arranged([name or lines[0].metric])[0])
    return curves_figure("f", panel, lines, window, {line.key: at for at, line in enumerate(lines)})


def line(key: str, found: Curve, band: tuple[Curve, Curve] | None = None, metric: str = "loss") -> Line:
    return Line(key, key, metric, f"run {key}", "series-1", found, Clock(1.7e9, 32.0, 0.1), band=band)


def rows(made: Figure) -> Drawn:
    """(line, role) -> points, as the CSV has them."""
    found: Drawn = defaultdict(list)
    for row in csv.DictReader(io.StringIO(made.tables()["data/f.csv"])):
        found[row["line"], row["role"]].append((float(row["x"]), float(row["y"])))
    return found


@pytest.mark.parametrize(
    ("name", "axis", "x_title", "y_title"),
    [
        ("accuracy/token", "step", "step", "Train accuracy, tokens (%)"),
        ("loss", "samples", "samples", "Loss"),
        ("mine/own $x$", "time", "time since the start (s)", "mine/own $x$"),
        ("loss", "wall", "date (UTC)", "Loss"),
    ],
)
def test_axes_say_what_they_count_and_no_run_id(name: str, axis: Axis, x_title: str, y_title: str) -> None:
    named = replace(line("k3v9x0q2ab", curve([1.0, 0.5]), metric=name), name="baseline")
    made = figure([named], Window(axis=axis))
    assert (made.axes.x_title, made.axes.y_title) == (x_title, y_title)
    assert b"k3v9x0q2ab" not in figure_file(made, "3.5", "svg").content.partition(b"</metadata>")[2]
    assert "k3v9x0q2ab" in made.runs


@pytest.mark.parametrize("decay", [0.0, 0.6, 0.99])
def test_an_average_lies_in_the_band_of_its_seeds(decay: float) -> None:
    draw = np.random.default_rng(3)
    falling = np.exp(-np.arange(3000) / 40)  # where a lagging average leaves the band
    seeds = [curve((falling * (1 + 0.05 * draw.random(3000))).tolist()) for _ in range(3)]
    band = over_seeds(seeds, [1.7e9] * 3)
    found = rows(figure([line("s", band.mean, (band.low, band.high))], Window(smoothing=decay)))
    average, low, high = (found["s", role] for role in ("average", "low", "high"))
    assert [x for x, _ in average] == [x for x, _ in low] == [x for x, _ in high]
    assert len(average) <= 400
    assert all(a[1] <= b[1] <= c[1] for a, b, c in zip(low, average, high, strict=True))
    assert max(y for _, y in high) == band.high.values.max()
    assert min(y for _, y in low) == band.low.values.min()


def test_the_page_and_the_paper_have_one_average() -> None:
    values = (1 - np.exp(-np.arange(300) / 9)).tolist()  # steep at first, where averages differ most
    lines, window = [line("a", curve(values))], Window(smoothing=0.9)
    made = figure(lines, window)
    [page] = [
        trace
        for trace in lines_figure(panels.arranged(["loss"])[0], lines, window)["data"]
        if trace["meta"]["role"] == "smooth"
    ]
    average = rows(made)["a", "average"]
    assert [x for x, _ in average] == page["x"]
    np.testing.assert_allclose([y for _, y in average], page["y"], rtol=1e-6)
    assert made.note.startswith("Strong: moving average, decay 0.9 per point")
    assert figure(lines, Window()).note == ""


def test_a_chart_that_leaves_the_page_says_what_its_lines_and_bands_are() -> None:
    panel = panels.arranged(["loss"])[0]
    alone = line("a", curve([1.0, 2.0, 3.0]))
    seeds = replace(alone, band=(curve([0.5, 1.5, 2.5]), curve([1.5, 2.5, 3.5])))
    captions = [
        lines_figure(panel, lines, Window(smoothing=smoothing))["caption"]
        for lines in ([alone], [alone, seeds])
        for smoothing in (0.0, 0.6)
    ]
    strong = "Strong: moving average, decay 0.6 per point. Faint: as recorded."
    band = "Line: mean over the seeds. Band: least to greatest of the seeds at that step."
    assert captions == ["", strong, band, f"{strong} {band}"]
    assert figure([alone, seeds], Window(smoothing=0.6)).note == captions[-1]


def test_every_spike_of_a_long_curve_is_drawn() -> None:
    values = np.sin(np.arange(20_000) / 700)
    spikes = [777, 5_003, 19_998]
    values[spikes] = [1.5, -1.4, 1.6]
    found = rows(figure([line("a", curve(values.tolist()))]))
    assert {(float(step), round(values[step], 3)) for step in spikes} <= {
        (x, round(y, 3)) for x, y in found["a", "raw"]
    }
    assert len(found["a", "raw"]) <= 1000


def test_what_is_no_number_stands_at_the_edge_and_what_is_too_far_is_counted() -> None:
    values = (0.5 + 0.1 * np.sin(np.arange(300))).tolist()
    values[7], values[9] = math.nan, math.inf
    values[100] = 1e9
    made = figure([line("a", curve([*values, 0.4]))])
    assert [x for x, _ in rows(made)["", "nan"]] == [7.0, 9.0]
    assert made.note.endswith(" 1 point off the scale.")
    log = figure([line("a", curve([0.5, -1.0, 0.25]))], Window(log=True))
    assert [x for x, _ in rows(log)["", "not positive"]] == [1.0]
    assert all(y > 0 for _, y in rows(log)["a", "raw"])


def test_an_expression_is_told_in_its_chart_as_on_paper() -> None:
    """Whatever a dashboard calls it, and of several seeds as of one."""
    text, tree = "a / b", parse("a / b")
    [(_, quotient)] = of_run({text: tree}, {"a": curve([1.0, 2.0, 3.0]), "b": curve([1.0, 0.0, 2.0])})
    seeds = over_seeds([quotient, quotient], [1.7e9] * 2)
    panel = replace(panels.of_expression(text, tree), title="Quotient")
    for undefined, lines in (
        (1, [line("one", quotient, metric=text)]),
        (2, [line("all", seeds.mean, (seeds.low, seeds.high), metric=text)]),
    ):
        chart = lines_figure(panel, lines)
        paper = curves_figure("f", panel, lines, Window(), {lines[0].key: 0})
        assert chart["titles"]["y"] == paper.axes.y_title == text
        assert chart["notes"]["undefined"] == undefined
        assert f"{counted(undefined, 'point')} undefined: division by zero" in paper.note


def test_hidden_lines_stay_away_and_others_keep_their_looks() -> None:
    lines = [line(key, curve([1.0, 0.5])) for key in "abc"]
    panel = panels.arranged(["loss"])[0]
    made = curves_figure("f", panel, lines, Window(), {"a": 0, "b": 1, "c": 2}, frozenset("b"))
    assert [(look.key, look.place) for look in made.looks] == [("a", 0), ("c", 2)]


def test_shades_lie_between_the_colour_and_the_ink() -> None:
    assert hex_colour("series-1") == "#0072b2"
    assert hex_colour("series-1", 1) == "#055e91"
    assert hex_colour("unknown") == "#16191d"


@settings(max_examples=20, phases=(Phase.explicit, Phase.generate))
@given(
    values=st.lists(st.sampled_from(EDGES) | st.floats(), max_size=9),
    moments=st.lists(st.floats(0, 1e11), min_size=9, max_size=9),
    log=st.booleans(),
    axis=st.sampled_from(("step", "samples", "epoch", "time", "wall")),
    name=st.sampled_from(("loss", "accuracy/token", "memory/peak", "own")),
    high=st.none() | st.sampled_from((0.0, 1e-300, 1e308, -5.0)),
)
def test_any_doubles_become_a_figure(
    values: list[float], moments: list[float], log: bool, axis: Axis, name: str, high: float | None
) -> None:
    seeds = over_seeds([curve(values, moments), curve(values[::-1], moments)], [1.7e9] * 2)
    window = Window(None, high, 0.9, log, axis)
    lines = [
        line("a", curve(values, moments), None, name),
        line("b", seeds.mean, (seeds.low, seeds.high), name),
    ]
    made = figure(lines, window)
    assert all(math.isfinite(x) and math.isfinite(y) for points in rows(made).values() for x, y in points)
    for path in ET.fromstring(figure_file(made, "3.5", "svg").content).iter(
        "{http://www.w3.org/2000/svg}path"
    ):
        assert "nan" not in path.attrib.get("d", "")
