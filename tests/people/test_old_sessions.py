"""Sessions of a release that did not store what opened them: a recorded database, opened in today's code."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from backend.db.migrate import upgrade
from backend.db.session import make_engine, reading_scope, session_scope
from backend.people import service as accounts
from tests.support.databases import PostgresDatabases
from tests.support.releases.kept import Release

ENDS = 4e9  # seconds since the epoch: beyond these tests
INES, TOMASZ, OWNER = 1, 2, None  # Ines has the token "cluster", the owner had "notebook" for a moment
SESSION = (
    "INSERT INTO browser_session (token_hash, created_at, expires_at, person_id) "
    "VALUES (:hash, :at, :ends, :of)"
)
LINK = (
    "INSERT INTO login_token (token_hash, created_at, expires_at, used_at, person_id) "
    "VALUES (:hash, :at, :ends, :at, :of)"
)
TOKENS = "SELECT max(created_at) FROM api_token"


@pytest.fixture(params=["sqlite", "postgres"])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of the database as the release left it."""
    release = Release("0.1.0-before-the-house")
    if request.param == "sqlite":
        return release.as_sqlite(tmp_path / "lab")
    databases: PostgresDatabases = request.getfixturevalue("postgres_databases")
    return release.as_postgres(tmp_path / "old", databases.new_empty())


def test_a_session_stays_if_no_token_can_have_opened_it(old: str) -> None:
    engine = make_engine(old)
    with engine.begin() as connection:
        made = connection.execute(text(TOKENS)).scalar_one()

        def add(secret: str, at: float, of: int | None, statement: str = SESSION) -> None:
            row = {"hash": accounts._hash(secret), "at": at, "ends": ENDS, "of": of}
            connection.execute(text(statement), row)

        add("by link, though Ines had a token", made + 50, INES)
        add("link of Ines", made + 50, INES, LINK)
        add("Ines, by link or token", made + 60, INES)
        add("Ines, before her token", made - 60, INES)
        add("Tomasz, who has no token", made + 60, TOMASZ)
        add("the owner, while a token worked", made, OWNER)
        add("the owner, after its end", made + 60, OWNER)
    engine.dispose()

    upgrade(old)

    engine = make_engine(old)
    assert open_for(engine, "by link, though Ines had a token") == "Ines"
    assert open_for(engine, "Ines, by link or token") is None
    assert open_for(engine, "Ines, before her token") == "Ines"
    assert open_for(engine, "Tomasz, who has no token") == "Tomasz"
    assert open_for(engine, "the owner, while a token worked") is None
    assert open_for(engine, "the owner, after its end") == "the owner"
    with session_scope(engine) as session:
        accounts.remove_person(session, "Tomasz")
    assert open_for(engine, "Tomasz, who has no token") is None
    engine.dispose()


def open_for(engine: Engine, secret: str) -> str | None:
    """Whom the session lets in."""
    with reading_scope(engine) as session:
        identity = accounts.check_session(session, secret)
    return identity.name if identity else None
