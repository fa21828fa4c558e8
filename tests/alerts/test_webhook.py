"""Alarms reach a real HTTP server, at least once, whatever it answers at first."""

from __future__ import annotations

import math
import threading
from pathlib import Path

from sqlalchemy import Engine

from backend.alerts import queries as alarm_deliveries
from backend.alerts import service as alarms
from backend.alerts import webhook
from backend.db.session import reading_scope, session_scope
from backend.domain.alerts import Event
from backend.domain.records import Alarm
from backend.lifecycle import service as runs
from backend.runs.tables import Alarm as AlarmRow
from tests.support.processes import eventually
from tests.support.receiver import Receiver
from tests.support.records.rows import add_run
from tests.support.records.subscribed import subscribe
from tests.support.web import WebServer

RUN = "aaaaaaaaaa"


def raise_alarm(engine: Engine, name: str = "collapse", value: float = 0.25) -> None:
    with session_scope(engine) as session:
        alarms.raise_once(session, RUN, Alarm(name, 1450, value, 0.5, "One context for all."))


def row(engine: Engine) -> AlarmRow:
    with session_scope(engine) as session:
        return alarms.list(session, RUN)[0]


def make_due(engine: Engine) -> None:
    """As if the pause were over."""
    with session_scope(engine) as session:
        alarm_deliveries.change(session, row(engine).id, deliver_after=0.0)


def test_an_alarm_is_sent_once_with_its_evidence(engine: Engine, receiver: Receiver) -> None:
    add_run(engine, RUN, name="det", variant="deterministic", seed=3)
    raise_alarm(engine, value=math.nan)
    raise_alarm(engine)  # not the first of its name

    assert webhook.deliver_due(engine, receiver.url) == 1
    assert webhook.deliver_due(engine, receiver.url) == 0

    (body,) = receiver.bodies
    assert body["run"] == {"id": RUN, "name": "det", "variant": "deterministic", "seed": 3}
    assert body["alarm"] == {
        "name": "collapse",
        "step": 1450,
        "value": None,
        "threshold": 0.5,
        "text": "One context for all.",
    }
    assert body["text"] == "det: One context for all. (step 1,450)"
    assert row(engine).delivered_at is not None


def test_a_refused_alarm_is_tried_again_later_and_later_until_it_arrives(
    engine: Engine, receiver: Receiver
) -> None:
    add_run(engine, RUN)
    raise_alarm(engine)
    receiver.status = 503
    pauses = []
    for _ in range(3):
        assert webhook.deliver_due(engine, receiver.url) == 0
        assert webhook.deliver_due(engine, receiver.url) == 0  # not due yet
        found = row(engine)
        assert found.delivery_error == "the webhook answered 503"
        assert found.deliver_after is not None
        pauses.append(found.deliver_after)
        make_due(engine)
    assert [body["attempt"] for body in receiver.bodies] == [1, 2, 3]
    assert pauses[1] - pauses[0] > 5  # 20 s instead of 10 s
    assert len({body["id"] for body in receiver.bodies}) == 1

    receiver.status = 200
    assert webhook.deliver_due(engine, receiver.url) == 1
    assert (row(engine).delivery_error, row(engine).deliver_after) == ("", None)


def test_a_try_whose_process_died_is_made_again(engine: Engine, receiver: Receiver) -> None:
    add_run(engine, RUN)
    raise_alarm(engine)
    with session_scope(engine) as session:
        assert webhook.take_next(session, 4e9)  # and then it was killed
    found = row(engine)
    assert found.deliver_after == 4e9 + webhook.FIRST_PAUSE
    assert found.delivered_at is None

    make_due(engine)
    assert webhook.deliver_due(engine, receiver.url) == 1


def test_an_alarm_is_taken_when_it_is_sent_and_not_before(engine: Engine, receiver: Receiver) -> None:
    add_run(engine, RUN)
    raise_alarm(engine)
    raise_alarm(engine, "starvation")
    receiver.may_answer.clear()
    sending = threading.Thread(target=webhook.deliver_due, args=(engine, receiver.url))
    sending.start()
    try:
        eventually(lambda: receiver.posts, "the first alarm")
        with reading_scope(engine) as session:
            attempts = [each.delivery_attempts for each in alarms.list(session, RUN)]
        assert attempts == [1, 0]
    finally:
        receiver.may_answer.set()
        sending.join()


def test_nobody_listening_is_said_and_given_up_in_the_end(engine: Engine, receiver: Receiver) -> None:
    add_run(engine, RUN)
    raise_alarm(engine)
    receiver.stop()
    assert webhook.deliver_due(engine, receiver.url) == 0
    assert "could not reach the webhook" in row(engine).delivery_error
    with session_scope(engine) as session:
        alarm_deliveries.change(
            session, row(engine).id, deliver_after=0.0, delivery_attempts=webhook.MAX_DELIVERIES - 1
        )
    assert webhook.deliver_due(engine, receiver.url) == 0
    assert row(engine).deliver_after is None


def test_every_alarm_says_what_became_of_it(engine: Engine, receiver: Receiver) -> None:
    add_run(engine, RUN)

    def told() -> str:
        with reading_scope(engine) as session:
            delivery = runs.get(session, RUN).alarms[0].delivery
        assert delivery
        return f"{delivery.state}: {delivery.words}"

    def how_they_stand() -> tuple[int, int, int, str]:
        with reading_scope(engine) as session:
            found = webhook.state(session)
        return found.delivered, found.waiting, found.given_up, found.error

    raise_alarm(engine)
    assert told() == "waiting: sending to the webhook"
    receiver.status = 503
    for _ in range(2):
        webhook.deliver_due(engine, receiver.url)
        make_due(engine)
    assert told() == "waiting: not delivered yet: the webhook answered 503; tried 2 times"
    assert how_they_stand() == (0, 1, 0, "the webhook answered 503")
    receiver.status = 200
    webhook.deliver_due(engine, receiver.url)
    assert told() == "delivered: delivered after 3 tries"
    assert how_they_stand() == (1, 0, 0, "")
    with session_scope(engine) as session:
        given_up = {"delivered_at": None, "delivery_error": "the webhook answered 410"}
        alarm_deliveries.change(session, row(engine).id, **given_up)
    assert told() == "given_up: not delivered: the webhook answered 410; given up, tried 3 times"
    assert how_they_stand() == (0, 0, 1, "the webhook answered 410")
    with session_scope(engine) as session:
        alarm_deliveries.change(session, row(engine).id, delivery_attempts=0, delivery_error="")
    assert told() == "not_sent: not sent: no webhook configured"


def test_what_is_raised_without_a_webhook_is_not_sent_when_one_is_set(
    engine: Engine, receiver: Receiver
) -> None:
    add_run(engine, RUN)
    raise_alarm(engine)
    webhook.deliver_due(engine, None)
    assert webhook.deliver_due(engine, receiver.url) == 0
    raise_alarm(engine, "starvation")
    assert webhook.deliver_due(engine, receiver.url) == 1
    assert receiver.bodies[0]["alarm"]["name"] == "starvation"


def test_the_web_server_delivers_by_itself(tmp_path: Path, sqlite_url: str, receiver: Receiver) -> None:
    settings = {"ETRM_HOME": str(tmp_path), "ETRM_DATABASE_URL": sqlite_url, "ETRM_WEBHOOK_URL": receiver.url}
    server = WebServer(tmp_path, settings)
    try:
        add_run(server.engine, RUN)
        raise_alarm(server.engine)
        eventually(lambda: len(receiver.bodies) == 1, "the alarm at the receiver")
        eventually(lambda: row(server.engine).delivered_at is not None, "the note that it arrived")
    finally:
        server.stop()


def test_a_webhook_that_hangs_holds_up_no_subscription(
    tmp_path: Path, sqlite_url: str, receiver: Receiver, other_receiver: Receiver
) -> None:
    settings = {"ETRM_HOME": str(tmp_path), "ETRM_DATABASE_URL": sqlite_url, "ETRM_WEBHOOK_URL": receiver.url}
    server = WebServer(tmp_path, settings)
    receiver.may_answer.clear()
    try:
        add_run(server.engine, RUN)
        subscribe(server.engine, other_receiver.url, ["finished"])
        for number in range(webhook.OF_ONE_LOOK):
            raise_alarm(server.engine, f"alarm-{number}")
        eventually(lambda: receiver.posts, "the first alarm")
        with session_scope(server.engine) as session:
            alarms.tell(session, Event.FINISHED, RUN, "All steps done.")
        eventually(lambda: other_receiver.posts, "the message of a subscription")
        assert len(receiver.posts) < webhook.OF_ONE_LOOK  # the webhook still has alarms to try
    finally:
        receiver.may_answer.set()
        server.stop()
