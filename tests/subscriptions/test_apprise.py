"""Apprise, the optional extra: its own process reaches a real server, and says why where it does not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import Engine

from backend.alerts.channels import apprise_url
from backend.domain.people import Role
from backend.kit.errors import InvalidInput
from backend.runs.status import RunStatus
from backend.settings import Settings
from backend.subscriptions import service
from backend.subscriptions.delivery import deliver_next
from tests.support.receiver import Receiver
from tests.support.records.rows import create, end
from tests.support.records.subscribed import state_of, subscribe

pytest.importorskip("apprise")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, public_url="https://lab.example")


def json_url(receiver: Receiver) -> str:
    """An address of apprise's JSON service, with a password in it."""
    return f"json://ada:verysecret@127.0.0.1:{receiver.port}/path"


@pytest.mark.usefixtures("set_names")
def test_a_message_arrives_with_its_text(engine: Engine, settings: Settings, receiver: Receiver) -> None:
    subscription = subscribe(engine, json_url(receiver), channel="apprise")
    run = create(engine, name="det").id
    end(engine, run, RunStatus.FAILED)
    assert deliver_next(engine, settings, subscription)
    (body,) = receiver.bodies
    assert body["title"] == "det failed"
    assert body["message"] == f"out of memory\nhttps://lab.example/runs/{run}"
    state = state_of(engine, subscription)
    assert state.delivered == 1
    assert "secret" not in state.address
    assert state.address == "JSON (json://…)"


def test_what_it_says_of_a_failure_holds_no_secret(settings: Settings, receiver: Receiver) -> None:
    receiver.status = 500
    target = service.apprise(json_url(receiver))
    sent = service.send(target, service.test_notice("mine", settings), settings, Role.ADMIN)
    assert not sent.arrived
    assert sent.answer.startswith("JSON did not take it: ")
    assert "500" in sent.answer
    assert "verysecret" not in sent.answer
    said = apprise_url.without_secrets(f"failed: {target.address} verysecret", target.address)
    assert "verysecret" not in said


def test_only_admins_reach_private_machines(settings: Settings, receiver: Receiver) -> None:
    target = service.apprise(json_url(receiver))
    notice = service.test_notice("mine", settings)
    sent = service.send(target, notice, settings, Role.EDITOR)
    assert not sent.arrived
    assert "only subscriptions of admins may send there" in sent.answer
    assert receiver.posts == []
    assert service.send(target, notice, settings, Role.ADMIN).arrived
    assert json.loads(receiver.posts[0].body)["title"] == "Test from ETRM Lab"


@pytest.mark.parametrize(
    "service_url",
    [
        "discord://1234567890/abcdefghij?template=",
        "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/?template=",
    ],
)
def test_an_address_makes_the_server_read_none_of_its_files(
    settings: Settings, tmp_path: Path, service_url: str
) -> None:
    private = tmp_path / "private.json"
    private.write_text('{"content": "the content of a file"}')
    target = service.apprise(f"{service_url}{private}")
    sent = service.send(target, service.test_notice("mine", settings), settings, Role.ADMIN)
    assert not sent.arrived
    assert "could not be read" in sent.answer


@pytest.mark.parametrize("url", ["nosuch://example.org", "ntfy", "slack://"])
def test_an_address_that_apprise_does_not_know_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput, match="not an address that apprise knows"):
        service.apprise(url)
