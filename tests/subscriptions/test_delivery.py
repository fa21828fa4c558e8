"""Messages reach a real HTTP server, signed, at least once, and no channel holds up another."""

from __future__ import annotations

import hmac
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, update

from backend.alerts import queries
from backend.alerts.channels import apprise_url, posting
from backend.alerts.channels.reach import refusal
from backend.alerts.tables import Message
from backend.db.session import reading_scope, session_scope
from backend.domain.people import OWNER, Identity, Role
from backend.kit.retry import pause_after
from backend.lifecycle import external_runs
from backend.people import service as accounts
from backend.people.tables import Person
from backend.runs.status import RunStatus
from backend.settings import Settings
from backend.subscriptions import delivery, messages, service
from backend.subscriptions.delivery import Deliverer, deliver_next
from tests.support.processes import eventually
from tests.support.receiver import Receiver
from tests.support.records.rows import HELD_OUT, create, end, evaluate
from tests.support.records.subscribed import end_pause, secret_of, state_of, subscribe
from tests.support.web import WebServer

PUBLIC = "https://lab.example"
NOWHERE = "http://127.0.0.1:9/hook"  # the port of discarding, where nobody listens


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, public_url=PUBLIC)


@pytest.fixture
def deliverer(engine: Engine, settings: Settings) -> Iterator[Deliverer]:
    deliverer = Deliverer(engine, settings, lambda: False)
    yield deliverer
    deliverer.close()


def finish(engine: Engine, name: str = "det") -> str:
    """A script's run comes to its end; its id."""
    with session_scope(engine) as session:
        run = external_runs.create(session, name, {}).id
        external_runs.finish(session, run)
    return run


def waiting(engine: Engine) -> int:
    with reading_scope(engine) as session:
        return len(session.scalars(select(Message.id)).all())


def test_a_message_says_what_happened_with_the_result_and_a_link_and_is_signed(
    engine: Engine, settings: Settings, receiver: Receiver, set_names: None
) -> None:
    subscription = subscribe(engine, receiver.url, ["finished", "evaluation"])
    run = create(engine, name="det").id
    with session_scope(engine) as session:
        evaluate(session, run, HELD_OUT, 600, 4, 16)
    end(engine, run, RunStatus.FINISHED)
    assert deliver_next(engine, settings, subscription)
    assert deliver_next(engine, settings, subscription)
    assert not deliver_next(engine, settings, subscription)  # that is all

    evaluation, finished = receiver.bodies
    assert finished["kind"] == "finished"
    assert finished["run"]["id"] == run
    assert (finished["run"]["name"], finished["run"]["status"]) == ("det", "finished")
    lines = finished["text"].splitlines()
    assert lines[:2] == ["det finished", "All steps done."]
    assert lines[2].startswith(
        "pass@1 4/16 (25.0 %, 95 % interval 10.2 % to 49.5 %) on arc-agi-1/evaluation, step 600"
    )
    assert lines[3] == finished["url"] == f"{PUBLIC}/runs/{run}"
    assert finished["result"]["passes"][0]["n"] == 16
    assert evaluation["url"] == f"{PUBLIC}/evaluations/{evaluation['evaluation']}"
    assert "pass@1 4/16" in evaluation["text"]

    posted = receiver.posts[1]
    signed = f"{posted.headers['etrm-timestamp']}.".encode() + posted.body
    digest = hmac.new(secret_of(engine, subscription).encode(), signed, "sha256").hexdigest()
    assert posted.headers["etrm-signature"] == f"sha256={digest}"
    assert abs(time.time() - int(posted.headers["etrm-timestamp"])) < 600
    state = state_of(engine, subscription)
    assert (state.delivered, state.waiting, state.error) == (2, 0, "")


def test_without_a_public_address_it_says_how_to_get_links(
    engine: Engine, tmp_path: Path, receiver: Receiver
) -> None:
    subscription = subscribe(engine, receiver.url)
    finish(engine)
    deliver_next(engine, Settings(home=tmp_path), subscription)
    (body,) = receiver.bodies
    assert body["url"] is None
    assert body["text"] == f"det finished\nReported by the script.\n{messages.HOW_TO_LINK}"


def test_only_runs_that_match_the_filter_are_told(
    engine: Engine, settings: Settings, receiver: Receiver
) -> None:
    subscription = subscribe(engine, receiver.url, filter_text='name contains "det" or seed > 100')
    finish(engine, "iterative")
    finish(engine, "det-2")
    while deliver_next(engine, settings, subscription):
        pass
    assert [each["run"]["name"] for each in receiver.bodies] == ["det-2"]
    assert waiting(engine) == 0


def test_a_refused_message_is_tried_again_later_and_later_until_it_arrives(
    engine: Engine, settings: Settings, receiver: Receiver
) -> None:
    subscription = subscribe(engine, receiver.url)
    finish(engine)
    receiver.status = 503
    pauses = []
    for _ in range(3):
        assert not deliver_next(engine, settings, subscription)
        assert not deliver_next(engine, settings, subscription)  # not due yet
        state = state_of(engine, subscription)
        assert state.error == "the webhook answered 503"
        assert state.retry_at is not None
        assert state.error_at is not None
        pauses.append(state.retry_at - state.error_at)
        end_pause(engine, subscription)
    assert [body["attempt"] for body in receiver.bodies] == [1, 2, 3]
    assert len({body["id"] for body in receiver.bodies}) == 1
    assert pauses[1] - pauses[0] > 5  # 20 s instead of 10 s

    receiver.status = 200
    assert deliver_next(engine, settings, subscription)
    state = state_of(engine, subscription)
    assert (state.error, state.retry_at, state.delivered, waiting(engine)) == ("", None, 1, 0)


def test_what_was_tried_in_vain_for_a_day_is_given_up(engine: Engine, settings: Settings) -> None:
    subscription = subscribe(engine, NOWHERE)
    finish(engine)
    happened_at = time.time() - delivery.GIVEN_UP_AFTER - 60
    with session_scope(engine) as session:
        session.execute(
            update(Message).values(happened_at=happened_at, attempts=delivery.DAY_OF_FAILURES - 1)
        )
    assert not deliver_next(engine, settings, subscription)
    state = state_of(engine, subscription)
    assert (state.given_up, state.waiting) == (1, 0)
    assert "could not reach the webhook" in state.error


def test_a_lab_that_was_off_for_a_weekend_tries_more_than_once(
    engine: Engine, settings: Settings, receiver: Receiver
) -> None:
    """Its network may come up after it: the first try of what happened before fails."""
    subscription = subscribe(engine, receiver.url)
    finish(engine)
    with session_scope(engine) as session:
        session.execute(update(Message).values(happened_at=time.time() - 3 * delivery.GIVEN_UP_AFTER))
    receiver.status = 503
    assert not deliver_next(engine, settings, subscription)
    end_pause(engine, subscription)
    receiver.status = 200
    assert deliver_next(engine, settings, subscription)
    state = state_of(engine, subscription)
    assert (state.delivered, state.given_up, state.waiting) == (1, 0, 0)


def test_what_waits_for_a_receiver_that_is_gone_does_not_pile_up(engine: Engine, settings: Settings) -> None:
    subscription = subscribe(engine, NOWHERE)
    for number in range(3):
        finish(engine, f"old-{number}")
    with session_scope(engine) as session:
        session.execute(update(Message).values(happened_at=time.time() - delivery.GIVEN_UP_AFTER - 60))
    finish(engine, "young")
    pauses = [
        pause_after(each, delivery.FIRST_PAUSE, delivery.MAX_PAUSE)
        for each in range(1, delivery.DAY_OF_FAILURES + 1)
    ]
    assert sum(pauses) >= delivery.GIVEN_UP_AFTER > sum(pauses[:-1])
    with session_scope(engine) as session:
        queries.change_subscription(session, subscription, failures=len(pauses))
    assert not deliver_next(engine, settings, subscription)
    state = state_of(engine, subscription)
    assert (state.given_up, state.waiting) == (3, 1)


def test_a_message_that_is_refused_does_not_hold_up_the_next(
    engine: Engine, settings: Settings, receiver: Receiver
) -> None:
    subscription = subscribe(engine, receiver.url)
    finish(engine, "first")
    receiver.status = 400
    assert not deliver_next(engine, settings, subscription)
    receiver.status = 200
    finish(engine, "second")
    end_pause(engine, subscription)
    assert deliver_next(engine, settings, subscription)
    assert [each["run"]["name"] for each in receiver.bodies] == ["first", "second"]


def test_a_channel_that_hangs_holds_up_no_other(
    engine: Engine, deliverer: Deliverer, receiver: Receiver, other_receiver: Receiver
) -> None:
    receiver.may_answer.clear()
    hanging, quick = subscribe(engine, receiver.url), subscribe(engine, other_receiver.url)
    finish(engine)
    deliverer.look()
    eventually(lambda: receiver.posts, "the one that hangs")
    eventually(lambda: state_of(engine, quick).delivered == 1, "the other's message")
    assert state_of(engine, hanging).delivered == 0
    finish(engine, "later")
    deliverer.look()
    eventually(lambda: state_of(engine, quick).delivered == 2, "the other's next message")


def test_a_try_that_takes_long_is_not_made_by_another_server_as_well(
    engine: Engine, settings: Settings, receiver: Receiver
) -> None:
    subscription = subscribe(engine, receiver.url)
    finish(engine)
    receiver.may_answer.clear()
    sending = threading.Thread(target=deliver_next, args=(engine, settings, subscription))
    sending.start()
    try:
        eventually(lambda: receiver.posts, "the try")
        held_until = state_of(engine, subscription).retry_at
        assert held_until
        assert held_until > time.time() + apprise_url.PATIENCE
    finally:
        receiver.may_answer.set()
        sending.join()


def test_a_try_that_ends_after_its_message_was_dropped_takes_no_other_along(
    engine: Engine, settings: Settings, receiver: Receiver, set_names: None
) -> None:
    first, other = subscribe(engine, receiver.url), subscribe(engine, NOWHERE, ["failed"])
    finish(engine)
    receiver.may_answer.clear()
    sending = threading.Thread(target=deliver_next, args=(engine, settings, first))
    sending.start()
    try:
        eventually(lambda: receiver.posts, "the try")
        with session_scope(engine) as session:
            service.change(session, OWNER, first, is_active=False)  # drops what waits
        end(engine, create(engine, name="other").id, RunStatus.FAILED)  # SQLite gives it the same id
    finally:
        receiver.may_answer.set()
        sending.join()
    assert state_of(engine, other).waiting == 1


def test_people_are_told_as_long_as_they_have_an_account(
    engine: Engine, settings: Settings, deliverer: Deliverer, receiver: Receiver
) -> None:
    with session_scope(engine) as session:
        accounts.add_person(session, "Ada", "admin")
        person_id = session.scalar(select(Person.id))
    ada = Identity("Ada", Role.ADMIN, person_id)
    subscription = subscribe(engine, receiver.url, identity=ada)
    finish(engine)
    assert waiting(engine) == 1
    with session_scope(engine) as session:
        accounts.remove_person(session, "Ada")
    finish(engine, "after")
    deliverer.look()
    assert waiting(engine) == 0
    assert not deliver_next(engine, settings, subscription)
    assert receiver.posts == []


@pytest.mark.parametrize("role", [Role.VIEWER, Role.EDITOR])
def test_only_admins_reach_private_machines(
    engine: Engine, settings: Settings, receiver: Receiver, role: Role
) -> None:
    target = service.webhook(receiver.url)
    notice = service.test_notice("mine", settings)
    sent = service.send(target, notice, settings, role)
    assert not sent.arrived
    assert sent.answer == (
        "could not reach the webhook: 127.0.0.1 is in a private network: "
        "only subscriptions of admins may send there"
    )
    assert receiver.posts == []
    assert service.send(target, notice, settings, Role.ADMIN).arrived


@pytest.mark.parametrize(
    "address", ["64:ff9b::a00:1", "64:ff9b::a9fe:a9fe", "2002:a00:1::1", "::ffff:10.0.0.1", "fe80::1%eth0"]
)
def test_an_ipv6_address_is_no_way_round(address: str) -> None:
    assert refusal(address, reaches_private=False)
    assert not refusal("64:ff9b::808:808", reaches_private=False)  # a public machine by the same way


def test_an_answer_that_comes_byte_by_byte_is_cut_off(
    settings: Settings, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posting, "PATIENCE", 1.0)
    receiver.drips = True
    sent = service.send(
        service.webhook(receiver.url), service.test_notice("mine", settings), settings, Role.ADMIN
    )
    assert (sent.arrived, sent.answer) == (False, "could not reach the webhook: timed out")


def test_a_redirect_is_not_followed(settings: Settings, receiver: Receiver, other_receiver: Receiver) -> None:
    receiver.status, receiver.location = 307, other_receiver.url
    notice = service.test_notice("mine", settings)
    sent = service.send(service.webhook(receiver.url), notice, settings, Role.ADMIN)
    assert (sent.arrived, sent.answer) == (False, "the webhook answered 307")
    assert other_receiver.posts == []


def test_nothing_is_lost_when_the_server_is_killed_while_it_sends(
    tmp_path: Path, sqlite_url: str, receiver: Receiver
) -> None:
    environment = {"ETRM_HOME": str(tmp_path), "ETRM_DATABASE_URL": sqlite_url, "ETRM_PUBLIC_URL": PUBLIC}
    server = WebServer(tmp_path, environment)
    try:
        subscription = subscribe(server.engine, receiver.url)
        receiver.may_answer.clear()
        run = finish(server.engine)
        eventually(lambda: receiver.posts, "the first try")
    finally:
        server.process.kill()
        server.process.wait()
        server.close()
    receiver.may_answer.set()
    server = WebServer(tmp_path, environment)
    try:
        assert state_of(server.engine, subscription).waiting == 1
        finish(server.engine, "while it was down")
        eventually(lambda: state_of(server.engine, subscription).delivered == 2, "both messages")
    finally:
        server.stop()
    first = [each for each in receiver.bodies if each["run"]["id"] == run]
    assert len(first) >= 2  # the try that nobody could note, and the one that arrived
    assert len({each["id"] for each in first}) == 1
    assert {each["url"] for each in first} == {f"{PUBLIC}/runs/{run}"}
    assert json.dumps(receiver.bodies).count("while it was down finished") == 1
