"""The script of an external run promises signs of life: silent, lost, heard again."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, update

from backend.alerts import service as alarms
from backend.db import clock
from backend.db.session import reading_scope, session_scope
from backend.domain.config.presets import quick
from backend.domain.records import MetricFrame
from backend.kit.errors import Conflict
from backend.lifecycle import external_runs, heartbeat
from backend.lifecycle import service as runs
from backend.metrics import service as series
from backend.queue import sweep as queue_sweep
from backend.run_view.views import HeartbeatView, RunView
from backend.runs import events
from backend.runs.status import RunStatus
from backend.runs.tables import Run
from backend.runs_table import search as run_search
from tests.support.passing_time import elapse

PROMISE = 300.0  # seconds: a busy machine keeps a test waiting, too
SLACK = 100.0


def begin(engine: Engine, seconds: float = PROMISE) -> str:
    with session_scope(engine) as session:
        return external_runs.create(session, "mine", {}, beat_seconds=seconds).id


def hear(engine: Engine, run_id: str, within: float | None = None, step: int = 0) -> float:
    """How many seconds from now the next sign of life is due."""
    with session_scope(engine) as session:
        return external_runs.hear(session, run_id, within, step) - clock.read(session)


def sweep(engine: Engine, count_lapsed: bool = True) -> list[str]:
    with session_scope(engine) as session:
        return queue_sweep.sweep(session, count_lapsed=count_lapsed).lost


def read(engine: Engine, run_id: str) -> RunView:
    with reading_scope(engine) as session:
        return runs.get(session, run_id)


def beat_of(run: RunView) -> HeartbeatView:
    assert run.heartbeat
    return run.heartbeat


def kinds(engine: Engine, run_id: str) -> list[str]:
    with reading_scope(engine) as session:
        return [each.kind for each in events.list(session, run_id)]


def test_a_script_that_keeps_its_promise_is_neither_silent_nor_lost(engine: Engine) -> None:
    run_id = begin(engine)
    for step in (1, 2):
        elapse(engine, PROMISE - SLACK)
        assert sweep(engine) == []
        assert beat_of(read(engine, run_id)).silent_since is None
        assert hear(engine, run_id, step=step) == pytest.approx(PROMISE, abs=SLACK)
    assert read(engine, run_id).step == 2
    assert kinds(engine, run_id) == ["started"]


def test_a_missed_promise_is_silence_and_later_a_loss_with_an_alarm(engine: Engine) -> None:
    run_id = begin(engine)
    elapse(engine, PROMISE)
    silent = read(engine, run_id)
    assert silent.status == "running"
    assert beat_of(silent).silent_since == beat_of(silent).last_at
    elapse(engine, heartbeat.LOST_AFTER + 1)
    assert sweep(engine) == [run_id]
    assert sweep(engine) == []
    lost = read(engine, run_id)
    assert (lost.status, lost.finished_at) == ("lost", None)
    assert lost.status_cause.startswith("silent since 20")
    assert lost.status_cause.endswith(" UTC: promised a heartbeat within 5 min")
    assert lost.duration == pytest.approx(0, abs=SLACK)  # until it was last heard
    assert kinds(engine, run_id) == ["started", "lost"]
    with reading_scope(engine) as session:
        [alarm] = alarms.list(session, run_id)
        assert (alarm.name, alarm.threshold) == ("lost", pytest.approx(PROMISE + heartbeat.LOST_AFTER))
        assert alarm.value > alarm.threshold
        assert [run.id for run in run_search.find(session, 'status == "lost" and duration < 100').runs] == [
            run_id
        ]


def test_right_after_an_outage_of_the_database_silence_is_no_loss(engine: Engine) -> None:
    run_id = begin(engine)
    elapse(engine, PROMISE + heartbeat.LOST_AFTER + 1)
    assert sweep(engine, count_lapsed=False) == []
    hear(engine, run_id)
    assert sweep(engine) == []
    assert kinds(engine, run_id) == ["started"]


def test_a_longer_promise_is_kept_and_no_log_call_shortens_it(engine: Engine) -> None:
    run_id = begin(engine)
    assert hear(engine, run_id, within=900) == pytest.approx(900, abs=SLACK)
    assert hear(engine, run_id, step=1) == pytest.approx(900, abs=SLACK)
    elapse(engine, 600)
    assert sweep(engine) == []
    assert beat_of(read(engine, run_id)).silent_since is None
    assert hear(engine, run_id, within=5) < PROMISE - SLACK  # what it says itself counts
    elapse(engine, 5 + heartbeat.LOST_AFTER + 1)
    assert sweep(engine) == [run_id]


def test_a_lost_run_is_heard_again_and_runs_on(engine: Engine) -> None:
    run_id = begin(engine)
    elapse(engine, 400)
    assert sweep(engine) == [run_id]
    hear(engine, run_id, step=7)
    run = read(engine, run_id)
    assert (run.status, run.status_cause, run.step) == ("running", "", 7)
    assert beat_of(run).silent_since is None
    assert kinds(engine, run_id) == ["started", "lost", "resumed"]
    with reading_scope(engine) as session:
        assert "of silence" in events.list(session, run_id)[-1].text
    elapse(engine, 400)
    assert sweep(engine) == [run_id]
    with reading_scope(engine) as session:
        assert len(alarms.list(session, run_id)) == 1  # a script that stutters alarms once


@pytest.mark.parametrize("status", [RunStatus.FINISHED, RunStatus.FAILED, RunStatus.CANCELLED])
def test_a_lost_run_may_be_ended_and_then_hears_nothing(engine: Engine, status: RunStatus) -> None:
    run_id = begin(engine)
    elapse(engine, 400)
    sweep(engine)
    with session_scope(engine) as session:
        if status is RunStatus.CANCELLED:
            runs.request_cancel(session, run_id)
        else:
            external_runs.finish(session, run_id, status)
    assert (read(engine, run_id).status, read(engine, run_id).heartbeat) == (status, None)
    elapse(engine, 1000)
    assert sweep(engine) == []
    with pytest.raises(Conflict, match=f"is {status.value} and cannot be logged to"):
        hear(engine, run_id)


def log_late(engine: Engine, run_id: str) -> None:
    """A log call that found the run before it ended."""
    with session_scope(engine) as session:
        series.append(session, run_id, MetricFrame([1], [1.0], {"loss": [0.5]}))
        heartbeat.hear(session, session.get_one(Run, run_id), step=1)


def test_a_run_that_ends_while_it_is_logged_to_keeps_nothing_of_that_call(engine: Engine) -> None:
    run_id = begin(engine)
    with session_scope(engine) as session:
        external_runs.finish(session, run_id)
    with pytest.raises(Conflict, match="is finished"):
        log_late(engine, run_id)
    with reading_scope(engine) as session:
        assert series.read(session, run_id) == {}


def test_a_run_from_before_the_promises_gets_one_from_its_last_point(engine: Engine) -> None:
    run_id, quiet = begin(engine), begin(engine)
    with session_scope(engine) as session:
        now = clock.read(session)
        series.append(session, run_id, MetricFrame([1, 2], [now - 500, now - 5], {"loss": [0.5, 0.4]}))
        series.append(session, quiet, MetricFrame([1], [12.0], {"loss": [0.5]}))  # a clock of its own
        none = {"beat_seconds": None, "beat_at": None, "beat_due": None, "started_at": now - 1000}
        session.execute(update(Run).values(none))
    assert read(engine, run_id).heartbeat is None
    assert sweep(engine) == [quiet]  # last heard at its start
    beat = beat_of(read(engine, run_id))
    assert beat.seconds == heartbeat.DEFAULT_SECONDS
    assert beat.last_at == pytest.approx(now - 5, abs=1)
    assert beat.due_at == beat.last_at + beat.seconds
    hear(engine, quiet, step=2)
    assert read(engine, quiet).status == "running"


def test_a_run_of_the_lab_has_no_heartbeat(engine: Engine, set_names: None) -> None:
    with session_scope(engine) as session:
        run_id = runs.create(session, quick()).id
        with pytest.raises(Conflict, match="its worker records"):
            external_runs.hear(session, run_id)
    elapse(engine, 10_000)
    assert sweep(engine) == []
