"""Tokens with a scope and an expiry: what each may do, over HTTP and from the command line."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, text, update

from backend.db.migrate import upgrade
from backend.db.session import make_engine, reading_scope, session_scope
from backend.domain.people import Identity, Role, Scope
from backend.kit.errors import Forbidden
from backend.people import service as accounts
from backend.people.tables import ApiToken
from tests.support.lab import etrm
from tests.support.releases.kept import Release
from tests.support.web import WebServer

_numbers = count()
DOINGS: dict[str, Callable[[httpx.Client], httpx.Response]] = {
    "look": lambda c: c.get("/api/v1/runs"),
    "check": lambda c: c.post("/api/v1/config/validate", json={"preset": "quick"}),
    "create external": lambda c: c.post("/api/v1/runs/external", json={"name": "by a token"}),
    "log": lambda c: c.post("/api/v1/runs/nothinghere/metrics", json={"step": [0], "values": {"loss": [1]}}),
    "finish": lambda c: c.post("/api/v1/runs/nothinghere/finish", json={"status": "finished"}),
    "launch": lambda c: c.post("/api/v1/runs", json={"preset": "nothing"}),
    "launch page": lambda c: c.post("/runs/new", data={"action": "nothing"}),
    "delete": lambda c: c.delete("/api/v1/runs/nothinghere"),
    "people": lambda c: c.get("/api/v1/people"),
    "new token": lambda c: c.post("/api/v1/tokens", json={"name": ""}),
}
READS, LOGS, LAUNCHES = list(DOINGS)[:2], list(DOINGS)[:5], list(DOINGS)[:8]


def token_of(client: httpx.Client, role: str, **options: str) -> str:
    """Secret of a token of a new person of this role."""
    name = f"Alan {next(_numbers)}"
    assert client.post("/api/v1/people", json={"name": name, "role": role}).status_code == 201
    made = client.post("/api/v1/tokens", json={"name": f"of {name}", "person": name, **options})
    assert made.status_code == 201, made.text
    secret: str = made.json()["secret"]
    return secret


@pytest.mark.parametrize("way", ["bearer", "session"])
@pytest.mark.parametrize(
    ("role", "scope", "allowed"),
    [
        ("admin", "read", READS),
        ("admin", "log", LOGS),
        ("admin", "launch", LAUNCHES),
        ("admin", "admin", list(DOINGS)),
        ("editor", "admin", LAUNCHES),
        ("editor", "log", LOGS),
        ("viewer", "log", READS),
        ("viewer", "admin", READS),
    ],
)
def test_a_scope_limits_the_role_of_its_person(
    server: WebServer, client: httpx.Client, way: str, role: str, scope: str, allowed: list[str]
) -> None:
    secret = token_of(client, role, scope=scope)
    headers = {"Authorization": f"Bearer {secret}"} if way == "bearer" else {}
    with server.stranger(headers=headers) as limited:
        if way == "session":
            assert limited.post("/login", data={"token": secret}).status_code == 303
        assert [name for name, do in DOINGS.items() if do(limited).status_code != 403] == allowed
        assert (limited.get("/api/v1/me").json()["role"], limited.get("/api/v1/me").json()["scope"]) == (
            role,
            scope,
        )


def test_a_refusal_names_the_scope_that_would_do(server: WebServer, client: httpx.Client) -> None:
    secret = token_of(client, "editor", scope="log")
    with server.stranger(headers={"Authorization": f"Bearer {secret}"}) as limited:
        error = limited.post("/api/v1/runs", json={"preset": "quick"}).json()["error"]
    assert error["message"] == "This token has the scope log, and this takes launch."
    assert "--scope launch" in error["hint"]


def test_pages_offer_only_what_the_scope_leaves(server: WebServer, client: httpx.Client) -> None:
    with server.stranger() as browser:
        browser.post("/login", data={"token": token_of(client, "admin", scope="read")})
        page = browser.get("/settings").text
    assert 'data-role="viewer"' in page
    assert 'id="people-title"' not in page
    assert "with a token of scope read" in page


def test_an_expired_token_and_its_session_are_refused(
    server: WebServer, client: httpx.Client, database: Engine
) -> None:
    secret = token_of(client, "editor", expires="1h")
    with (
        server.stranger() as browser,
        server.stranger(headers={"Authorization": f"Bearer {secret}"}) as script,
    ):
        assert browser.post("/login", data={"token": secret}).status_code == 303
        (session,) = browser.get("/api/v1/sessions").json()
        assert session["expires_at"] == pytest.approx(time.time() + 3600, abs=60)
        assert browser.get("/api/v1/me").status_code == script.get("/api/v1/me").status_code == 200
        with session_scope(database) as session:
            mine = ApiToken.token_hash == accounts._hash(secret)
            session.execute(update(ApiToken).where(mine).values(expires_at=time.time() - 1))
        assert browser.get("/api/v1/me").status_code == script.get("/api/v1/me").status_code == 401
        assert browser.post("/login", data={"token": secret}).status_code == 401
    with reading_scope(database) as session:
        credential = accounts.token_credential(secret)
        assert accounts.valid_credentials(session, [credential]) == set()


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("scope", "all"),
        ("scope", ""),
        ("expires", "soon"),
        ("expires", "0d"),
        ("expires", "-1d"),
        ("expires", "9e9d"),
    ],
)
def test_a_wrong_scope_or_expiry_is_named(client: httpx.Client, field: str, wrong: str) -> None:
    answer = client.post("/api/v1/tokens", json={"name": f"wrong {next(_numbers)}", field: wrong})
    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["error"]["fields"]] == [field]


def test_the_list_tells_scope_expiry_and_last_use(server: WebServer, client: httpx.Client) -> None:
    secret = token_of(client, "editor", scope="log", expires="30d")

    def listed() -> dict[str, Any]:
        found: dict[str, Any] = client.get("/api/v1/tokens").json()[-1]
        return found

    assert (listed()["scope"], listed()["last_used_at"]) == ("log", None)
    assert listed()["expires_at"] == pytest.approx(time.time() + 30 * 86400, abs=60)
    with server.stranger(headers={"Authorization": f"Bearer {secret}"}) as script:
        assert script.get("/api/v1/me").status_code == 200
    assert listed()["last_used_at"] == pytest.approx(time.time(), abs=60)


def test_a_token_of_an_old_database_may_do_what_it_could(tmp_path: Path) -> None:
    url = Release("0.1.0-before-the-house").as_sqlite(tmp_path / "lab")
    upgrade(url)
    engine = make_engine(url)
    with reading_scope(engine) as session:
        found = {each.name: each for each in accounts.tokens(session)}
        assert session.scalar(text("SELECT count(*) FROM api_token")) == 2
    engine.dispose()
    assert found["cluster"].identity.scope is Scope.ADMIN
    assert found["cluster"].identity.role is Role.EDITOR
    assert found["cluster"].expires_at is None


@pytest.mark.parametrize("scope", Scope)
@pytest.mark.parametrize("role", Role)
def test_a_scope_never_gives_more_than_the_role(role: Role, scope: Scope) -> None:
    limited = Identity("somebody", role, scope=scope)
    assert role.covers(limited.role)
    limited.check(limited.role)
    for needed in Role:
        if not limited.role.covers(needed):
            with pytest.raises(Forbidden):
                limited.check(needed)


def test_the_command_line_makes_and_lists_a_token_of_a_scope(tmp_path: Path) -> None:
    upgrade(f"sqlite:///{tmp_path}/etrm.sqlite3")
    made = etrm(tmp_path, "token", "create", "cluster", "--scope", "log", "--expires", "30d")
    assert made.stdout.startswith("etrm_"), made.stderr
    listed = etrm(tmp_path, "token", "list").stdout
    assert "log" in listed
    assert "expires" in listed
    refused = etrm(tmp_path, "token", "create", "other", "--scope", "everything")
    assert refused.returncode != 0
    assert "scope" in refused.stderr
