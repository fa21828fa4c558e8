"""/api/v1/subscriptions: everybody has their own, and secrets are shown to nobody again."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from backend.alerts.channels import apprise_url, push
from tests.support.receiver import Receiver
from tests.support.web import WebServer

SECRET_URL = "https://hooks.example.org/services/T0SECRET/B0SECRET?token=hush"
NEW = {"name": "mine", "events": ["finished", "alarm"], "channel": "webhook", "url": SECRET_URL}


@pytest.fixture
def added(client: httpx.Client) -> Iterator[dict[str, object]]:
    """A webhook of the owner."""
    answer = client.post("/api/v1/subscriptions", json=NEW)
    assert answer.status_code == 201, answer.text
    yield answer.json()
    client.delete(f"/api/v1/subscriptions/{answer.json()['subscription']['id']}")


@pytest.fixture
def viewer(server: WebServer, client: httpx.Client) -> Iterator[httpx.Client]:
    """A viewer with a token for all that they may."""
    client.post("/api/v1/people", json={"name": "Vera", "role": "viewer"})
    token = client.post("/api/v1/tokens", json={"name": "Vera's", "person": "Vera"}).json()["secret"]
    with server.stranger(headers={"Authorization": f"Bearer {token}"}) as viewer:
        yield viewer
    client.delete("/api/v1/people/Vera")


def test_the_address_and_the_secret_are_told_to_nobody_again(
    client: httpx.Client, added: dict[str, object]
) -> None:
    secret = added["secret"]
    assert isinstance(secret, str)
    assert secret.startswith("whsec_")
    listed = client.get("/api/v1/subscriptions")
    pages = [listed.text, client.get("/settings").text, client.get("/api/v1/audit").text]
    for text in pages:
        assert "SECRET" not in text
        assert "hush" not in text
        assert secret not in text
    (found,) = listed.json()
    assert found["address"] == "https://hooks.example.org/…"
    assert (found["events"], found["is_active"], found["waiting"]) == (["finished", "alarm"], True, 0)


def test_it_is_changed_paused_and_removed(client: httpx.Client, added: dict[str, dict[str, int]]) -> None:
    path = f"/api/v1/subscriptions/{added['subscription']['id']}"
    changed = client.patch(path, json={"events": ["failed"], "filter": "pass1 > 0", "is_active": False})
    assert changed.status_code == 200, changed.text
    assert (changed.json()["events"], changed.json()["filter"]) == (["failed"], "pass1 > 0")
    assert changed.json()["is_active"] is False
    assert client.delete(path).status_code == 204
    assert client.patch(path, json={"name": "x"}).status_code == 404


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"events": ["finnished"]}, "events", "Did you mean 'finished'?"),
        ({"events": []}, "events", "at least one event"),
        ({"channel": "webhok"}, "channel", "Did you mean 'webhook'?"),
        ({"url": "ftp://example.org"}, "url", "must be http://"),
        ({"url": "https://ada:pw@example.org/"}, "url", "without a name"),
        ({"name": " "}, "name", "1 to 60 characters"),
        ({"filter": "sed == 1"}, "", "Did you mean 'seed'?"),
        ({"channel": "push"}, "push", "is missing"),
    ],
)
def test_a_wrong_field_is_named(
    client: httpx.Client, change: dict[str, object], field: str, words: str
) -> None:
    answer = client.post("/api/v1/subscriptions", json=NEW | change)
    assert answer.status_code == 422
    assert words in answer.text.replace("\\u2026", "…")
    if field:
        assert [each["field"] for each in answer.json()["error"]["fields"]] == [field]
    assert client.get("/api/v1/subscriptions").json() == []


def test_nobody_sees_or_changes_those_of_another(
    client: httpx.Client, viewer: httpx.Client, added: dict[str, dict[str, int]]
) -> None:
    path = f"/api/v1/subscriptions/{added['subscription']['id']}"
    assert viewer.get("/api/v1/subscriptions").json() == []
    for answer in (
        viewer.patch(path, json={"is_active": False}),
        viewer.delete(path),
        viewer.post(f"{path}/test"),
    ):
        assert answer.status_code == 404
    own = viewer.post("/api/v1/subscriptions", json=NEW)
    assert own.status_code == 201  # a viewer may be told
    assert len(client.get("/api/v1/subscriptions").json()) == 1


def test_a_token_of_a_narrow_scope_leaves_nothing_that_outlives_it(
    server: WebServer, client: httpx.Client
) -> None:
    token = client.post("/api/v1/tokens", json={"name": "to look", "scope": "read"}).json()["secret"]
    with server.stranger(headers={"Authorization": f"Bearer {token}"}) as reader:
        answer = reader.post("/api/v1/subscriptions", json=NEW)
    client.delete("/api/v1/tokens/to look")
    assert answer.status_code == 403
    assert "scope read" in answer.text


def test_the_test_button_says_what_the_other_side_answered(client: httpx.Client, receiver: Receiver) -> None:
    added = client.post("/api/v1/subscriptions", json=NEW | {"url": receiver.url}).json()["subscription"]
    path = f"/api/v1/subscriptions/{added['id']}"
    assert client.post(f"{path}/test").json() == {"arrived": True, "answer": "the webhook answered 204"}
    receiver.status = 410
    assert client.post(f"{path}/test").json() == {"arrived": False, "answer": "the webhook answered 410"}
    assert receiver.bodies[0]["kind"] == "test"
    client.delete(path)


def test_a_missing_extra_is_named(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, extra in ((apprise_url, "notify"), (push, "push")):
        monkeypatch.setattr(module, "find_spec", lambda _: None)
        with pytest.raises(Exception, match=f"Install the extra {extra}"):
            module.check_installed()
