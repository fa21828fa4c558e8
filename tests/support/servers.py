"""Web servers and command lines that tests of several features share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine

from backend.data import service as datasets
from backend.db.session import session_scope
from tests.support.databases import SqliteFiles
from tests.support.lab import etrm
from tests.support.processes import Lab
from tests.support.web import WebServer


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory, sqlite_files: SqliteFiles) -> Iterator[Lab]:
    """A lab that tests of many files share: it holds what any of them made."""
    with started_lab(tmp_path_factory.mktemp("api"), sqlite_files.new()) as lab:
        yield lab


@contextmanager
def started_lab(folder: Path, database_url: str) -> Iterator[Lab]:
    """A database with the built-in task sets, and a broker."""
    lab = Lab(folder, database_url)
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


@pytest.fixture(scope="session")
def page_server(tmp_path_factory: pytest.TempPathFactory, sqlite_files: SqliteFiles) -> Iterator[WebServer]:
    """A server without a broker, for pages."""
    folder = tmp_path_factory.mktemp("pages")
    page_server = WebServer(folder, {"ETRM_HOME": str(folder), "ETRM_DATABASE_URL": sqlite_files.new()})
    with session_scope(page_server.engine) as session:
        datasets.seed_built_in(session)
    yield page_server
    page_server.stop()


@pytest.fixture
def page_db(page_server: WebServer) -> Engine:
    """The database of the server for pages."""
    return page_server.engine


@pytest.fixture
def page_client(page_server: WebServer) -> Iterator[httpx.Client]:
    """A client that asks for pages, as a browser does; logged in."""
    with page_server.client() as client:
        client.headers["Accept"] = "text/html"
        yield client


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a migrated database and the built-in sets, and no server."""
    home = tmp_path_factory.mktemp("lab")
    done = etrm(home, "migrate")
    assert (done.returncode, done.stdout) == (0, "The database is up to date.\n"), done.stderr
    return home
