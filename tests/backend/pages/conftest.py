"""One web server without a broker for the tests of the pages, on an SQLite file."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from sqlalchemy import Engine

from backend.db.session import session_scope
from backend.services import datasets
from tests.support.databases import SqliteFiles
from tests.support.web import WebServer


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, sqlite_files: SqliteFiles) -> Iterator[WebServer]:
    folder = tmp_path_factory.mktemp("pages")
    server = WebServer(folder, {"ETRM_HOME": str(folder), "ETRM_DATABASE_URL": sqlite_files.new()})
    with session_scope(server.engine) as session:
        datasets.seed_built_in(session)
    yield server
    server.stop()


@pytest.fixture
def database(server: WebServer) -> Engine:
    return server.engine


@pytest.fixture
def browser(server: WebServer) -> Iterator[httpx.Client]:
    """A client that asks for pages, as a browser does; logged in."""
    with server.client() as client:
        client.headers["Accept"] = "text/html"
        yield client
