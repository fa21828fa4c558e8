"""Who may come in, from where, and what the answers tell a browser."""

from __future__ import annotations

import re
from http.cookies import SimpleCookie
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, text

from backend.db.session import session_scope
from backend.people import service as accounts
from backend.web.entrance.guard import SECURITY_HEADERS
from tests.support.web import WebServer

CLOSED = ["/", "/runs/new", "/api/v1/runs", "/api/v1/events", "/api/openapi.json", "/api/docs", "/nothing"]


def log_in(server: WebServer, client: httpx.Client) -> httpx.Response:
    with session_scope(server.engine) as session:
        secret = accounts.issue_login(session)
    return client.get("/login", params={"token": secret})


def cookie_of(answer: httpx.Response) -> Any:
    (morsel,) = SimpleCookie(answer.headers["set-cookie"]).values()
    return morsel


@pytest.mark.parametrize("path", CLOSED)
@pytest.mark.parametrize("authorization", [None, "Bearer etrm_wrong", "Bearer", "Basic dXNlcjpwYXNz"])
def test_a_stranger_gets_nothing(server: WebServer, path: str, authorization: str | None) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    with server.stranger(headers=headers) as client:
        answer = client.get(path)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.json()["error"]["code"] == "unauthorised"
        assert client.post("/api/v1/runs", json={"preset": "quick"}).status_code == 401


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/login"])
def test_health_and_login_are_open(server: WebServer, path: str) -> None:
    with server.stranger() as client:
        assert client.get(path).status_code == 200


def test_a_revoked_token_opens_nothing_and_a_used_one_is_noted(server: WebServer) -> None:
    with session_scope(server.engine) as session:
        secret = accounts.create_token(session, "to be revoked")
    with server.stranger(headers={"Authorization": f"Bearer {secret}"}) as client:
        assert client.get("/api/v1/runs").status_code == 200
        with session_scope(server.engine) as session:
            (token,) = (each for each in accounts.tokens(session) if each.name == "to be revoked")
            assert token.last_used_at
            accounts.revoke_token(session, "to be revoked")
        assert client.get("/api/v1/runs").status_code == 401


def test_the_login_link_logs_a_browser_in_once(server: WebServer) -> None:
    with server.stranger(headers={"Accept": "text/html"}) as browser:
        answer = log_in(server, browser)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        cookie = cookie_of(answer)
        assert cookie["httponly"]
        assert cookie["samesite"].lower() == "strict"
        assert int(cookie["max-age"]) == 30 * 24 * 3600
        assert browser.get("/api/v1/runs").status_code == 200
        assert browser.get(answer.request.url).status_code == 401  # the link is used up


def test_a_browser_can_change_things_from_our_own_pages_only(server: WebServer) -> None:
    with server.stranger() as browser:
        log_in(server, browser)

        def create(**headers: str) -> httpx.Response:
            return browser.post("/api/v1/runs/external", json={"name": "x"}, headers=headers)

        host = httpx.URL(server.url).netloc.decode()
        same = {"Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
        assert create(**same).status_code == 201
        foreign: list[dict[str, str]] = [
            {"Origin": "http://evil.example"},
            {"Origin": "null"},
            {"Origin": "http://127.0.0.1:1"},
            {"Origin": f"http://{host}.evil.example"},
            same | {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
        ]
        for headers in foreign:
            answer = create(**headers)
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden"), headers
        assert browser.get("/api/v1/runs", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "", "[::1"])
def test_a_foreign_host_name_is_refused(client: httpx.Client, host: str) -> None:
    answer = client.get("/api/v1/runs", headers={"Host": host})
    assert answer.status_code in (400, 403)
    if answer.status_code == 403:
        assert "ETRM_ALLOWED_HOSTS" in answer.json()["error"]["hint"]


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]:8000", "lab.example"])
def test_loopback_and_configured_host_names_are_answered(named_server: WebServer, host: str) -> None:
    with named_server.client(headers={"Host": host}) as client:
        assert client.get("/api/v1/runs").status_code == 200


def test_health_answers_to_any_name_since_probes_ask_by_address(server: WebServer) -> None:
    with server.stranger(headers={"Host": "10.1.2.3:8000"}) as client:
        assert client.get("/healthz").status_code == 200
        assert client.get("/readyz").status_code == 200


@pytest.mark.parametrize(
    ("path", "status"), [("/healthz", 200), ("/api/v1/nothing", 404), ("/login", 200), ("/", 200)]
)
def test_every_answer_carries_the_security_headers(client: httpx.Client, path: str, status: int) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    assert {name: answer.headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "default-src 'self'" in policy


def test_refusals_carry_the_security_headers_too(server: WebServer) -> None:
    with server.stranger() as client:
        for answer in (client.get("/"), client.get("/", headers={"Host": "evil.example"})):
            assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [("/nothing", 404, "Page not found"), ("/runs/nosuchrun0", 404, "nosuchrun0&#39; not found")],
)
def test_a_browser_sees_errors_as_pages(client: httpx.Client, path: str, status: int, said: str) -> None:
    answer = client.get(path, headers={"Accept": "text/html"})
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")
    assert said in answer.text
    assert (
        client.get(path.replace("/runs/", "/api/v1/runs/"), headers={"Accept": "text/html"})
        .headers["content-type"]
        .startswith("application/json" if path.startswith("/runs") else "text/html")
    )


def test_a_stranger_in_a_browser_sees_the_login_page(server: WebServer) -> None:
    with server.stranger(headers={"Accept": "text/html"}) as browser:
        answer = browser.get("/")
    assert answer.status_code == 401
    assert "<form" in answer.text


def test_an_error_of_ours_gets_a_number_and_shows_nothing_of_the_code(
    client: httpx.Client, queued: str, server: WebServer, database: Engine
) -> None:
    with session_scope(database) as session:
        session.execute(text("UPDATE run SET created_at = 'not a time' WHERE id = :id"), {"id": queued})
    try:
        answer = client.get(f"/api/v1/runs/{queued}")
        assert answer.status_code == 500
        found = answer.json()["error"]
        number = re.search(r"error \(([0-9a-f]{8})\)", found["message"])
        assert number
        assert "Traceback" not in answer.text
        log = server.log.read_text()
        assert log.count(f"error {number[1]}") == 1
        assert log.count(f"error {number[1]}\nTraceback (most recent call last)") == 1
        assert answer.headers["x-content-type-options"] == "nosniff"
    finally:
        with session_scope(database) as session:
            session.execute(text("DELETE FROM run WHERE id = :id"), {"id": queued})
