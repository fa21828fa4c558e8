"""The embedded broker: a real server with a password."""

from __future__ import annotations

import pytest
import redis

from backend.embedded import valkey
from backend.embedded.signals import listening
from backend.embedded.supervisor import Service, Supervisor
from backend.kit.errors import Unavailable


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    folder = tmp_path_factory.mktemp("broker")
    broker = valkey.Broker(folder)
    with listening() as signals:
        supervisor = Supervisor(folder / "logs", signals, print)
        child = supervisor.start(Service("broker", broker.command, stdin=broker.config))
        supervisor.until(lambda: valkey.answers(broker.url), child)
        yield broker
        supervisor.stop()


def test_it_answers_to_its_own_url(broker):
    with redis.Redis.from_url(broker.url) as client:
        client.set("key", "value")
        assert client.get("key") == b"value"


def test_it_refuses_who_has_no_password(broker):
    with redis.Redis(port=broker.port, retry=None) as client, pytest.raises(redis.AuthenticationError):
        client.ping()


def test_the_password_is_in_no_command_line_and_no_file(broker):
    assert broker.password not in " ".join(broker.command)
    assert broker.password not in repr(broker)
    files = [path for path in broker.folder.rglob("*") if path.is_file()]
    assert [path for path in files if broker.password in path.read_text()] == []


def test_nobody_answers_on_a_free_port():
    assert not valkey.answers(valkey.Broker(folder=None).url)


def test_without_a_server_program_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(valkey, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(Unavailable, match=r"Install one of them, or set ETRM_BROKER_URL"):
        valkey.server_program()
