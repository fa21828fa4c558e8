"""One web server with a real broker for all tests of the API, on an SQLite file."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from sqlalchemy import Engine

from backend.db.session import session_scope
from backend.services import datasets
from tests.support.databases import SqliteFiles
from tests.support.processes import Lab
from tests.support.web import WebServer


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory, sqlite_files: SqliteFiles) -> Iterator[Lab]:
    """Database with the built-in task sets, and broker."""
    lab = Lab(tmp_path_factory.mktemp("api"), sqlite_files.new())
    with session_scope(lab.engine) as session:
        datasets.seed_built_in(session)
    try:
        lab.start_broker()
        yield lab
    finally:
        lab.stop()


@pytest.fixture(scope="session")
def server(lab: Lab) -> Iterator[WebServer]:
    server = WebServer(lab.folder, lab.environment)
    yield server
    server.stop()


@pytest.fixture
def client(server: WebServer) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


@pytest.fixture
def database(server: WebServer, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """The server's database, for a test that plays the worker; its notifications reach the server."""
    for name, value in lab.environment.items():
        monkeypatch.setenv(name, value)
    return server.engine


@pytest.fixture
def queued(client: httpx.Client) -> str:
    """Id of a new queued run."""
    answer = client.post("/api/v1/runs", json={"preset": "quick"})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


@pytest.fixture
def external(client: httpx.Client) -> str:
    """Id of a new external run."""
    answer = client.post("/api/v1/runs/external", json={"name": "mine", "config": {"lr": 0.1}})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


@pytest.fixture(scope="session")
def named_server(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    """A server that also answers to lab.example."""
    environment = lab.environment | {"ETRM_ALLOWED_HOSTS": "other.example, lab.example"}
    server = WebServer(tmp_path_factory.mktemp("named"), environment)
    yield server
    server.stop()
