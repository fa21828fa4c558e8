"""Browser sessions over HTTP: what ends them, the list of one's own, and logging out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count

import httpx
import pytest

from backend.db.session import session_scope
from backend.people import service as accounts
from backend.people.browsers import in_words
from tests.support.web import WebServer

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.0 Mobile/15E148 Safari/604.1"
)
EDGE = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 "
    "Safari/537.36 Edg/140.0.0.0"
)
LogIn = Callable[..., httpx.Client]
_numbers = count()


@pytest.fixture
def log_in(server: WebServer) -> Iterator[LogIn]:
    """Opens a browser: by the secret of a token, or by a link of a person (default: the owner's)."""
    with ExitStack() as opened:

        def enter(person: str = "", token: str = "", agent: str = FIREFOX) -> httpx.Client:
            browser = opened.enter_context(server.stranger(headers={"User-Agent": agent}))
            if not token:
                with session_scope(server.engine) as session:
                    token = accounts.invite(session, person) if person else accounts.issue_login(session)
            assert browser.post("/login", data={"token": token}).status_code == 303
            assert browser.get("/api/v1/me").status_code == 200
            return browser

        yield enter


@pytest.fixture
def person(client: httpx.Client) -> str:
    """An editor nobody else uses."""
    name = f"Grace {next(_numbers)}"
    assert client.post("/api/v1/people", json={"name": name, "role": "editor"}).status_code == 201
    return name


def new_token(client: httpx.Client, person: str) -> tuple[str, str]:
    """Name and secret."""
    made = client.post("/api/v1/tokens", json={"name": f"token {next(_numbers)}", "person": person})
    assert made.status_code == 201, made.text
    return made.json()["name"], made.json()["secret"]


@pytest.mark.parametrize("of_owner", [False, True])
def test_a_revoked_token_ends_the_sessions_that_it_opened(
    client: httpx.Client, log_in: LogIn, person: str, of_owner: bool
) -> None:
    whose = "" if of_owner else person
    name, secret = new_token(client, whose)
    by_token, by_link = log_in(token=secret), log_in(whose)
    assert client.delete(f"/api/v1/tokens/{name}").status_code == 204
    assert by_token.get("/api/v1/runs").status_code == 401
    assert by_token.get("/", headers={"Accept": "text/html"}).status_code == 401
    assert by_link.get("/api/v1/runs").status_code == 200


def test_a_new_role_and_a_removal_reach_open_sessions_at_once(
    client: httpx.Client, log_in: LogIn, person: str
) -> None:
    browsers = [log_in(person), log_in(token=new_token(client, person)[1])]
    external = {"name": "of a session"}
    for browser in browsers:
        assert browser.post("/api/v1/runs/external", json=external).status_code == 201
    assert client.patch(f"/api/v1/people/{person}", json={"role": "viewer"}).status_code == 204
    for browser in browsers:
        assert browser.post("/api/v1/runs/external", json=external).status_code == 403
        assert browser.get("/api/v1/runs").status_code == 200
    assert client.delete(f"/api/v1/people/{person}").status_code == 204
    for browser in browsers:
        assert browser.get("/api/v1/runs").status_code == 401


def test_logging_out_ends_the_session_not_only_the_cookie(server: WebServer, log_in: LogIn) -> None:
    for path, status in (("/logout", 303), ("/api/v1/logout", 204)):
        browser = log_in()
        assert 'action="/logout"' in browser.get("/").text
        kept = dict(browser.cookies)
        answer = browser.post(path)
        assert answer.status_code == status
        assert not dict(browser.cookies)
        with server.stranger(cookies=kept) as thief:
            assert thief.get("/api/v1/runs").status_code == 401


def test_a_token_has_no_session_to_end(client: httpx.Client) -> None:
    refused = client.post("/api/v1/logout")
    assert refused.status_code == 409
    assert "etrm token revoke" in refused.json()["error"]["hint"]
    assert 'action="/logout"' not in client.get("/").text


def test_one_sees_and_ends_only_ones_own_sessions(client: httpx.Client, log_in: LogIn, person: str) -> None:
    name, secret = new_token(client, person)
    desk, phone, by_token = log_in(person), log_in(person, agent=IPHONE), log_in(token=secret, agent=EDGE)
    owner = log_in()

    def listed(browser: httpx.Client) -> list[tuple[str, str | None, bool]]:
        found = browser.get("/api/v1/sessions").json()
        return [(each["browser"], each["token"], each["is_current"]) for each in found]

    assert listed(desk) == [
        ("Edge on Windows", name, False),
        ("Safari on iPhone", None, False),
        ("Firefox on Linux", None, True),
    ]
    assert listed(by_token) == [("Edge on Windows", name, True)]  # not what the person opened otherwise

    ids = {each["browser"]: each["id"] for each in desk.get("/api/v1/sessions").json()}
    for other in (owner, by_token):
        assert other.delete(f"/api/v1/sessions/{ids['Safari on iPhone']}").status_code == 404
    assert phone.get("/api/v1/me").status_code == 200
    assert desk.delete(f"/api/v1/sessions/{ids['Safari on iPhone']}").status_code == 204
    assert phone.get("/api/v1/me").status_code == 401

    assert desk.delete("/api/v1/sessions").json() == {"ended": 1}
    assert by_token.get("/api/v1/me").status_code == 401
    assert desk.get("/api/v1/me").status_code == owner.get("/api/v1/me").status_code == 200
    assert listed(desk) == [("Firefox on Linux", None, True)]


def test_the_settings_list_ones_sessions(log_in: LogIn, person: str) -> None:
    desk, _ = log_in(person), log_in(person, agent=IPHONE)
    page = desk.get("/settings").text
    assert "Safari on iPhone" in page
    assert page.count("this browser") == 1
    assert page.count("data-end-session=") == 1
    assert "data-end-others" in page


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (FIREFOX, "Firefox on Linux"),
        (IPHONE, "Safari on iPhone"),
        (EDGE, "Edge on Windows"),
        ("curl/8.5.0", "a program"),
        ("", "a program"),
        ("<script>Firefox/1", "Firefox"),
    ],
)
def test_a_browser_in_words(agent: str, words: str) -> None:
    assert in_words(agent) == words
