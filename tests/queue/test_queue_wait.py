"""When a run launched now would start: never guessed, a lower bound where something was not measured."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine

from backend.data import service as datasets
from backend.db.session import reading_scope, session_scope
from backend.domain.config.presets import quick
from backend.domain.records import MetricFrame
from backend.lifecycle import service as runs
from backend.metrics import service as series
from backend.queue import wait as queue_wait
from backend.queue.wait import WaitView
from backend.runs import queries as rows
from backend.workers import service as workers

NOW = 1000.0
SPEED = 100.0  # samples per second
LENGTH = quick().training.steps * quick().training.batch_size / SPEED  # seconds of a whole run


@pytest.fixture(autouse=True)
def _sets(engine: Engine) -> None:
    with session_scope(engine) as session:
        datasets.seed_built_in(session)


def beat(engine: Engine, number: int, run_id: str | None = None) -> None:
    sign = workers.WorkerBeat(f"host.{number}.1.1", "host", number, "cpu", "a CPU", 2**34, run_id, 0.0)
    with session_scope(engine) as session:
        workers.beat(session, sign)


def queued(engine: Engine, **columns: Any) -> str:
    with session_scope(engine) as session:
        run_id = runs.create(session, quick()).id
        row = rows.get(session, run_id)
        for name, value in columns.items():
            setattr(row, name, value)
    return run_id


def measured(engine: Engine) -> None:
    """A finished run whose speed is known."""
    run_id = queued(engine, status="finished")
    with session_scope(engine) as session:
        series.append(session, run_id, MetricFrame([1], [1.0], {"samples_per_second": [SPEED]}))


def wait(engine: Engine) -> WaitView:
    with reading_scope(engine) as session:
        return queue_wait.of(session)


def test_without_a_worker_it_says_how_to_start_one(engine: Engine) -> None:
    found = wait(engine)
    assert (found.workers, found.seconds) == (0, None)
    assert found.words == "No worker is online: the run starts when one does. Start one: etrm worker."


def test_with_a_free_worker_it_starts_at_once_behind_as_many_as_are_free(engine: Engine) -> None:
    beat(engine, 1)
    beat(engine, 2)
    assert wait(engine).words == "Starts immediately: 2 of 2 workers are free."
    queued(engine)
    assert (wait(engine).ahead, wait(engine).seconds) == (1, 0)


def test_it_waits_for_what_runs_and_for_what_is_taken_before_it(engine: Engine) -> None:
    measured(engine)
    beat(engine, 1, queued(engine, status="running", seconds_left=120.0))
    assert wait(engine).words == "Starts in about 2 min: the worker is busy."
    queued(engine)
    queued(engine, priority=-1)  # taken after it
    found = wait(engine)
    assert (found.ahead, found.at_least) == (1, False)
    assert found.seconds == pytest.approx(120 + LENGTH)
    assert found.words.endswith("1 run ahead on 1 worker.")
    beat(engine, 2, queued(engine, status="running", seconds_left=30.0))
    assert wait(engine).seconds == pytest.approx(min(120, 30 + LENGTH))


def test_a_run_that_goes_on_takes_what_is_left_of_it(engine: Engine) -> None:
    measured(engine)
    beat(engine, 1, queued(engine, status="running", seconds_left=0.0))
    queued(engine, step=quick().training.steps // 2, total=quick().training.steps)
    assert wait(engine).seconds == pytest.approx(LENGTH / 2)


def test_what_was_never_measured_makes_it_a_lower_bound_or_unknown(engine: Engine) -> None:
    running = queued(engine, status="running", seconds_left=600.0)
    beat(engine, 1, running)
    queued(engine)
    assert wait(engine).words == "Starts in at least 10 min: 1 run ahead on 1 worker."
    beat(engine, 1, queued(engine, status="running"))
    found = wait(engine)
    assert found.seconds is None
    assert found.words == "Waiting: 1 run ahead on 1 worker; no time estimate yet."
