"""Compaction in the background: fewer segments, the same points, and nobody waits for it."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, func, select

from backend.db.session import reading_scope, session_scope
from backend.domain.records import MetricFrame
from backend.lifecycle import service as runs
from backend.metrics import service as series
from backend.metrics.compactor import Compactor
from backend.metrics.tables import Segment
from tests.support.records.rows import add_run

RUNS = ("aaaaaaaaaa", "bbbbbbbbbb")
WRITES = 80


def log(engine: Engine, run_id: str, step: int) -> int:
    with session_scope(engine) as session:
        frame = MetricFrame([step], [1.0], {"loss": [float(step)]})
        return series.append(session, run_id, frame, compacts=False)


def segments(engine: Engine) -> int:
    with reading_scope(engine) as session:
        return session.scalar(select(func.count()).select_from(Segment)) or 0


def test_points_are_merged_after_their_write_and_none_is_lost(engine: Engine) -> None:
    for run_id in RUNS:
        add_run(engine, run_id)
    compactor = Compactor(engine)
    for step in range(WRITES):
        for run_id in RUNS:
            compactor.note(run_id, log(engine, run_id, step))
    compactor.close()
    compactor = Compactor(engine)
    for run_id in RUNS:
        compactor.note(run_id, WRITES)  # again, now that nobody writes: what was left the last time
        assert series.is_due(WRITES)
    compactor._thread.shutdown()  # unlike close, waits for all
    assert segments(engine) < len(RUNS) * WRITES / 2
    with reading_scope(engine) as session:
        for run_id in RUNS:
            curve = series.read(session, run_id)["loss"]
            assert curve.steps.tolist() == list(range(WRITES))
            assert curve.values.tolist() == [float(step) for step in range(WRITES)]


def test_a_write_itself_merges_nothing(engine: Engine) -> None:
    add_run(engine, RUNS[0])
    for step in range(WRITES):
        log(engine, RUNS[0], step)
    assert segments(engine) == WRITES


def test_a_run_that_is_gone_is_left_alone(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    add_run(engine, RUNS[0], status="finished")
    log(engine, RUNS[0], 1)
    with session_scope(engine) as session:
        runs.delete(session, RUNS[0])
    compactor = Compactor(engine)
    compactor.note(RUNS[0], WRITES)
    compactor._thread.shutdown()
    assert caplog.records == []
