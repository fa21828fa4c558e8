"""The database's clock, and that leases and heartbeats go by no other."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, text

from backend.db import clock
from backend.db.session import reading_scope, session_scope
from backend.queue import claims as queue
from backend.queue import sweep as queue_sweep
from backend.workers import service as workers
from tests.support.records.rows import add_run

RUN = "aaaaaaaaaa"
WRONG_BY = 120.0  # seconds, twice the lease


def read(engine: Engine) -> float:
    with reading_scope(engine) as session:
        return clock.read(session)


def test_it_counts_seconds_of_utc_with_fractions(engine: Engine) -> None:
    assert read(engine) == pytest.approx(datetime.now(UTC).timestamp(), abs=2)
    times = [read(engine) for _ in range(50)]
    assert times == sorted(times)
    assert len({round(each % 1, 3) for each in times}) > 5


def test_it_goes_on_within_a_transaction_and_ignores_the_time_zone(engine: Engine) -> None:
    with session_scope(engine) as session:
        if engine.dialect.name == "postgresql":
            session.execute(text("SET TIME ZONE 'Asia/Kolkata'"))
        first = clock.read(session)
        while clock.read(session) == first:  # at most a millisecond
            pass
        assert clock.read(session) == pytest.approx(datetime.now(UTC).timestamp(), abs=2)


@pytest.mark.parametrize("wrong_by", [WRONG_BY, -WRONG_BY])
def test_a_worker_whose_clock_is_wrong_takes_no_live_worker_s_run_and_keeps_its_own(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, wrong_by: float
) -> None:
    add_run(engine, RUN)
    add_run(engine, "bbbbbbbbbb")
    right = time.time
    with session_scope(engine) as session:
        mine = queue.claim(session, RUN, "right.1.1.1")
        workers.beat(session, workers.WorkerBeat("right.1.1.1", "right", 1, "cpu", "", 1, RUN, 0.0))

    monkeypatch.setattr(time, "time", lambda: right() + wrong_by)
    with session_scope(engine) as session:  # all that the worker with the wrong clock does
        theirs = queue.claim(session, None, "wrong.1.1.1")
        assert theirs is not None
        beat = workers.WorkerBeat("wrong.1.1.1", "wrong", 1, "cpu", "", 1, theirs.run_id, time.time())
        workers.beat(session, beat)
        queue_sweep.sweep(session)
        assert queue.renew(session, theirs) == "running"
        assert [worker.alive for worker in workers.listed(session)] == [True, True]
    monkeypatch.undo()

    with session_scope(engine) as session:
        queue_sweep.sweep(session)
        assert mine is not None
        assert [queue.renew(session, held) for held in (mine, theirs)] == ["running", "running"]
        assert [worker.alive for worker in workers.listed(session)] == [True, True]
