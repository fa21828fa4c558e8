"""Curves as CSV: every point once, in memory that does not grow with the curve."""

from __future__ import annotations

import tracemalloc

import pytest
from sqlalchemy import Engine

from backend.comparison.curves_csv import curves_csv
from backend.db.session import session_scope
from backend.domain.records import MetricFrame
from backend.metrics import service as series
from tests.support.records.rows import add_run

START = 1_790_000_000.0


def append(engine: Engine, run_id: str, name: str, steps: range, value: float) -> None:
    with session_scope(engine) as session:
        frame = MetricFrame(list(steps), [START + step for step in steps], {name: [value] * len(steps)})
        series.append(session, run_id, frame)


def test_points_written_over_and_metrics_of_other_steps_stand_once(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.metrics.service.SPAN", 500)
    monkeypatch.setattr("backend.metrics.segment_rows.FULL", 300)
    run_id = add_run(engine, "aaaaaaaaaa")
    append(engine, run_id, "loss", range(0, 6_000, 2), 1.0)
    append(engine, run_id, "own", range(0, 9_000, 3), 2.0)
    append(engine, run_id, "loss", range(1_000, 3_000), 3.0)

    head, *lines = b"".join(curves_csv(engine, [run_id], ["loss", "own"])).decode().splitlines()

    loss = dict.fromkeys(range(0, 6_000, 2), 1.0) | dict.fromkeys(range(1_000, 3_000), 3.0)
    own = dict.fromkeys(range(0, 9_000, 3), 2.0)
    assert head == "run,step,wall_time,loss,own"
    assert lines == [
        f"{run_id},{step},{START + step},{loss.get(step, '')},{own.get(step, '')}"
        for step in sorted(loss | own)
    ]


def test_a_long_curve_takes_no_more_memory_than_a_short_one(engine: Engine) -> None:
    peaks = []
    for run_id, points in (("aaaaaaaaaa", 70_000), ("bbbbbbbbbb", 420_000)):
        add_run(engine, run_id)
        append(engine, run_id, "loss", range(points), 1.0)
        tracemalloc.start()
        lines = sum(part.count(b"\n") for part in curves_csv(engine, [run_id], ["loss"]))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert lines == points + 1
    short, long = peaks
    assert long < 1.5 * short
