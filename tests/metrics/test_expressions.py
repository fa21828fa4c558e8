"""Expressions over curves: at the steps that all have, on the exact points, in files as in charts."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from backend.comparison.curves_csv import curves_csv
from backend.db.session import reading_scope, session_scope
from backend.domain.records import MetricFrame
from backend.kit.errors import InvalidInput
from backend.kit.expressions import Expression, parse
from backend.metrics import expressions
from backend.metrics import service as series
from backend.metrics.expressions import of_run, of_runs, sorted_out
from backend.metrics.service import Curve
from backend.runs_table import exports
from tests.support.records.rows import add_run

RUN, OTHER = "aaaaaaaaaa", "bbbbbbbbbb"
START = 1_790_000_000.0
Points = Mapping[int, float]


def write(engine: Engine, run_id: str = RUN, **metrics: Points) -> None:
    with session_scope(engine) as session:
        for name, points in metrics.items():
            steps = list(points)
            frame = MetricFrame(steps, [START + step for step in steps], {name: list(points.values())})
            series.append(session, run_id, frame)


def curve(points: Points) -> Curve:
    steps = np.array(sorted(points), np.int64)
    return Curve(
        steps, START + steps.astype(float), np.array([points[step] for step in sorted(points)]), len(steps)
    )


def read(engine: Engine, text: str, run_id: str = RUN, **kwargs: int) -> Curve:
    with reading_scope(engine) as session:
        return of_runs(session, [run_id], {text: parse(text)}, **kwargs)[run_id][text]


POINTS = st.dictionaries(st.integers(0, 30), st.floats(-1e6, 1e6) | st.just(math.nan), max_size=20)


@settings(deadline=None)
@given(a=POINTS, b=POINTS, c=POINTS)
def test_curves_meet_at_the_steps_that_all_of_them_have(a: Points, b: Points, c: Points) -> None:
    tree = parse("a - b / 2 + max(c, 0)")

    [(_, found)] = of_run({"x": tree}, {"a": curve(a), "b": curve(b), "c": curve(c)})

    steps = sorted(a.keys() & b.keys() & c.keys())
    assert found.steps.tolist() == steps
    assert found.wall_times.tolist() == [START + step for step in steps]
    expected = [a[s] - b[s] / 2 + (math.nan if math.isnan(c[s]) else max(c[s], 0)) for s in steps]
    np.testing.assert_allclose(found.values, expected, rtol=1e-12)


def test_a_run_without_one_of_the_metrics_is_left_out(engine: Engine) -> None:
    for run_id in (RUN, OTHER):
        add_run(engine, run_id)
    write(engine, RUN, train={1: 2.0, 2: 3.0}, heldout={2: 1.0, 3: 1.0})
    write(engine, OTHER, train={1: 2.0})

    with reading_scope(engine) as session:
        found = of_runs(session, [RUN, OTHER], {"d": parse("train - heldout")})

    assert found[OTHER] == {}
    assert (found[RUN]["d"].steps.tolist(), found[RUN]["d"].values.tolist()) == ([2], [2.0])


def test_it_is_evaluated_before_it_is_thinned(engine: Engine) -> None:
    """Each curve alone hides the spike: thinned first, the difference would not have its step."""
    add_run(engine, RUN)
    steps = np.arange(20_000)
    wave = np.sin(steps / 3) * 100
    bumped = wave.copy()
    bumped[12_345] += 5
    write(engine, RUN, a=dict(enumerate(bumped.tolist())), b=dict(enumerate(wave.tolist())))

    found = read(engine, "a - b", max_points=100)

    assert len(found.steps) <= 100
    assert found.total == 20_000
    assert found.values[found.steps.tolist().index(12_345)] == pytest.approx(5)


def test_what_is_undefined_is_nan_and_counted(engine: Engine) -> None:
    add_run(engine, RUN)
    write(engine, RUN, a={1: 1.0, 2: 0.0, 3: 4.0}, b={1: 0.0, 2: 2.0, 3: 2.0})

    found = read(engine, "a / b")

    assert found.undefined == 1
    assert found.nan_steps == [1]
    assert found.values.tolist()[1:] == [0.0, 2.0]


def test_too_many_points_are_refused_before_they_are_read(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expressions, "MAX_POINTS", 100)
    add_run(engine, RUN)
    write(engine, RUN, a=dict.fromkeys(range(60), 1.0), b=dict.fromkeys(range(60), 1.0))

    with pytest.raises(InvalidInput, match=r"would read 120 points of its metrics; 100 at most") as caught:
        read(engine, "a - b")
    assert "part of the steps" in str(caught.value)


def test_files_have_every_point_of_an_expression_part_by_part(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.metrics.service.SPAN", 500)
    monkeypatch.setattr("backend.metrics.segment_rows.FULL", 300)
    add_run(engine, RUN)
    a, b = dict.fromkeys(range(0, 6_000, 2), 3.0), dict.fromkeys(range(0, 6_000, 3), 1.0)
    write(engine, RUN, a=a, b=b)
    parsed: dict[str, Expression] = {"a - b": parse("a - b")}
    steps = sorted(a.keys() & b.keys())

    head, *lines = b"".join(curves_csv(engine, [RUN], ["b", "a - b"], parsed)).decode().splitlines()
    long = b"".join(exports.curves(engine, RUN, [], "csv", parsed).parts).decode().splitlines()

    assert head == "run,step,wall_time,b,a - b"
    assert [line for line in lines if line.split(",")[4]] == [f"{RUN},{s},{START + s},1.0,2.0" for s in steps]
    assert len(lines) == len(b)
    assert long == ["metric,step,wall_time,value", *(f"a - b,{s},{START + s},2.0" for s in steps)]


def test_a_metric_that_looks_like_an_expression_is_that_metric() -> None:
    names, parsed = sorted_out(["a - b", "a - c", "loss"], {"a - b", "a", "c"}, "No run has")
    assert names == ["a - b", "loss"]
    assert list(parsed) == ["a - c"]


def test_an_unknown_metric_in_an_expression_is_named() -> None:
    with pytest.raises(
        InvalidInput, match=r"column 9: Run x has no metric 'heldot'. Did you mean 'heldout'\?"
    ):
        sorted_out(["train - heldot"], {"train", "heldout"}, "Run x has no metric")
