"""Fixtures that several rooms use."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import Engine

from backend.db.session import session_scope
from tests.support.databases import KeptDatabase, PostgresDatabases, SqliteFiles, postgres_server

pytest_plugins = [
    "tests.support.object_store",
    "tests.support.receiver",
    "tests.support.servers",
    "tests.support.remote_labs",
]

# Two processes share the cores; torch and BLAS read it when they are first imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# No deadline and no complaint about slow data: both measure the machine. ETRM_HYPOTHESIS=large looks longer.
_ANYWHERE = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("quick", _ANYWHERE, max_examples=25)
settings.register_profile("large", _ANYWHERE, max_examples=200)
settings.load_profile(os.environ.get("ETRM_HYPOTHESIS", "quick"))

NEEDS = {"browser": "browser", "postgres_databases": "postgres"}  # fixture -> mark of what asks for it
LONG = ("browser", "faults", "slow")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a browser or a server, and put the files that take longest first.

    A long file that comes last would leave the other test process idle; `slow(first=True)` marks one that a
    single test process works on for minutes.
    """
    for item in items:
        for fixture in set(getattr(item, "fixturenames", ())) & NEEDS.keys():
            item.add_marker(NEEDS[fixture])
    long = {item.path for item in items if any(item.get_closest_marker(name) for name in LONG)}
    first = {item.path for item in items for mark in item.iter_markers("slow") if mark.kwargs.get("first")}
    items.sort(key=lambda item: (item.path not in first, item.path not in long))


@pytest.fixture(scope="session")
def sqlite_files(tmp_path_factory: pytest.TempPathFactory) -> SqliteFiles:
    return SqliteFiles(tmp_path_factory.mktemp("sqlite"))


@pytest.fixture(scope="session")
def postgres_databases() -> Iterator[PostgresDatabases]:
    with postgres_server() as url:
        yield PostgresDatabases(url)


@pytest.fixture
def sqlite_url(sqlite_files: SqliteFiles) -> str:
    """A fresh, migrated SQLite file."""
    return sqlite_files.new()


@pytest.fixture
def postgres_url(postgres_databases: PostgresDatabases) -> Iterator[str]:
    """A fresh, migrated PostgreSQL database."""
    url = postgres_databases.new()
    yield url
    postgres_databases.drop(url)


@pytest.fixture(scope="session")
def kept_sqlite(sqlite_files: SqliteFiles) -> Iterator[KeptDatabase]:
    database = KeptDatabase(sqlite_files.new())
    yield database
    database.close()


@pytest.fixture(scope="session")
def kept_postgres(postgres_databases: PostgresDatabases) -> Iterator[KeptDatabase]:
    database = KeptDatabase(postgres_databases.new())
    yield database
    database.close()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def kept_database(request: pytest.FixtureRequest) -> Iterator[KeptDatabase]:
    """An empty database of each kind in turn; all tests of this process use the same two."""
    database: KeptDatabase = request.getfixturevalue(f"kept_{request.param}")
    yield database
    database.empty()


@pytest.fixture
def database_url(kept_database: KeptDatabase) -> str:
    """An empty database of each kind in turn."""
    return kept_database.url


@pytest.fixture
def engine(kept_database: KeptDatabase) -> Engine:
    """An engine on an empty database of each kind in turn."""
    return kept_database.engine()


@pytest.fixture
def set_names(engine: Engine) -> None:
    """The built-in sets by name: reading all their tasks takes seconds."""
    from backend.data import queries as tasks
    from tests.support.records.rows import HELD_OUT, TRAINED_ON

    with session_scope(engine) as session:
        for name in (HELD_OUT, TRAINED_ON):
            tasks.add_set_once(session, name, "built-in", time.time())
