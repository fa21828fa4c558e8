"""What people are told of: each event is in the outbox with its own transaction, and only for who asked."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, select, update

from backend.alerts.tables import Message
from backend.db.session import reading_scope, session_scope
from backend.domain.alerts import Event
from backend.domain.experiment import BarHypothesis
from backend.domain.records import Alarm
from backend.hypothesis import service as hypotheses
from backend.lifecycle import external_runs
from backend.lifecycle import service as runs
from backend.queue import claims as queue
from backend.queue import sweep as queue_sweep
from backend.runs.status import RunStatus
from backend.runs.tables import Run
from tests.support.passing_time import elapse
from tests.support.records.rows import HELD_OUT, create, end, evaluate
from tests.support.records.subscribed import subscribe

pytestmark = pytest.mark.usefixtures("set_names")
URL = "http://127.0.0.1:9/hook"


def told(engine: Engine) -> list[tuple[str, str]]:
    """(event, what happened) of all messages in the outbox, in their order."""
    with reading_scope(engine) as session:
        return [(each.event, each.text) for each in session.scalars(select(Message).order_by(Message.id))]


@pytest.mark.parametrize(
    ("status", "message"),
    [(RunStatus.FINISHED, ("finished", "All steps done.")), (RunStatus.FAILED, ("failed", "out of memory"))],
)
def test_the_end_of_a_run_is_told(engine: Engine, status: RunStatus, message: tuple[str, str]) -> None:
    subscribe(engine, URL)
    end(engine, create(engine).id, status)
    assert told(engine) == [message]


def test_an_external_run_that_ends_or_falls_silent_is_told(engine: Engine) -> None:
    subscribe(engine, URL)
    with session_scope(engine) as session:
        silent = external_runs.create(session, "silent", {}, beat_seconds=60.0).id
        external_runs.raise_alarm(session, silent, Alarm("spike", 3, 9.0, 1.0, "The loss rose."))
        done = external_runs.create(session, "done", {}, beat_seconds=3600.0).id
        external_runs.finish(session, done, RunStatus.FAILED, "no space left")
    elapse(engine, 200.0)
    with session_scope(engine) as session:
        assert queue_sweep.sweep(session).lost == [silent]
    alarm, failed, lost = told(engine)
    assert (alarm, failed) == (("alarm", "The loss rose. (step 3)"), ("failed", "no space left"))
    assert lost[0] == "lost"  # once: the alarm of that name is the same event
    assert "silent since" in lost[1]


def test_a_run_whose_worker_is_gone_is_told_as_lost(engine: Engine) -> None:
    subscribe(engine, URL)
    run = create(engine).id
    with session_scope(engine) as session:
        assert queue.claim(session, run, "host-1.lab.7.1")
        session.execute(update(Run).values(lease_until=1.0))
    with session_scope(engine) as session:
        queue_sweep.sweep(session)
    ((event, text),) = told(engine)
    assert event == "lost"
    assert "has not answered for" in text
    assert text.endswith("The run is queued again.")


def test_a_verdict_and_an_evaluation_are_told_once(engine: Engine) -> None:
    subscribe(engine, URL)
    claim = BarHypothesis(claim="It learns.", measure="pass@1", comparison=">=", value=0.1)
    run = create(engine, hypothesis=claim).id
    with session_scope(engine) as session:
        evaluate(session, run, HELD_OUT, 600, 4, 16)
    end(engine, run, RunStatus.FINISHED)
    kinds = [event for event, _ in told(engine)]
    assert kinds == ["evaluation", "finished", "judged"]
    with session_scope(engine) as session:  # nothing new comes of settling it again
        hypotheses.settle(session, run)
    assert [event for event, _ in told(engine)] == kinds


def test_a_cancelled_run_and_events_nobody_asked_for_are_not_told(engine: Engine) -> None:
    subscribe(engine, URL, [Event.FAILED])
    end(engine, create(engine).id, RunStatus.FINISHED)
    cancelled = create(engine).id
    with session_scope(engine) as session:
        runs.request_cancel(session, cancelled)
    assert told(engine) == []
    end(engine, create(engine).id, RunStatus.FAILED)
    assert [event for event, _ in told(engine)] == ["failed"]


def test_an_event_that_did_not_happen_leaves_no_message(engine: Engine) -> None:
    subscribe(engine, URL)
    run = create(engine).id

    def end_and_break() -> None:
        with session_scope(engine) as session:
            held = queue.claim(session, run, "host-1")
            assert held
            queue.finish(session, held)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        end_and_break()
    assert told(engine) == []


def test_a_subscription_that_is_removed_meanwhile_does_not_undo_the_end_of_a_run(engine: Engine) -> None:
    """The outbox holds no reference that the database could refuse."""
    with session_scope(engine) as session:
        session.add(
            Message(key="k", subscription_id=77, event="finished", run_id="gone", text="", happened_at=1.0)
        )
    assert len(told(engine)) == 1
