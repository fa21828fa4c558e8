"""A web server whose database hangs, refuses, is read-only or locked: words in time, and no restart."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest
from sqlalchemy.engine import make_url

from tests.support.databases import PostgresDatabases, SqliteFiles, postgres_server
from tests.support.postgres_faults import Server
from tests.support.processes import eventually
from tests.support.web import WebServer

pytestmark = pytest.mark.faults

WITHIN = 2.0  # seconds
SLOW_MACHINE = 2.0  # seconds more that a machine busy with other tests may take
PAGE, STREAM, API, NEW = "/", "/api/v1/runs/events", "/api/v1/runs", "/api/v1/runs/external"
ASKED = [(API, "GET"), (PAGE, "GET"), (STREAM, "GET"), (NEW, "POST")]


@pytest.fixture(scope="module")
def own_server() -> Iterator[PostgresDatabases]:
    with postgres_server() as url:
        yield PostgresDatabases(url)


@pytest.fixture(scope="module")
def database_url(own_server: PostgresDatabases) -> str:
    return own_server.new()


@pytest.fixture(scope="module")
def postgres(database_url: str) -> Server:
    return Server(database_url)


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory, database_url: str) -> Iterator[WebServer]:
    folder = tmp_path_factory.mktemp("web")
    web = WebServer(folder, {"ETRM_HOME": str(folder), "ETRM_DATABASE_URL": database_url})
    yield web
    web.stop()


@pytest.fixture
def client(web: WebServer) -> Iterator[httpx.Client]:
    with web.client(limits=httpx.Limits(max_connections=60)) as client:
        assert client.get(API).status_code == 200
        yield client


def ask(client: httpx.Client, path: str, method: str = "GET") -> tuple[httpx.Response, float]:
    """The answer, and after how many seconds."""
    began = time.monotonic()
    html = {"Accept": "text/html"} if path == PAGE else {}
    body = {"json": {"name": "mine", "config": {}}} if method == "POST" else {}
    answer = client.request(method, path, headers=html, **body)  # type: ignore[arg-type]
    return answer, time.monotonic() - began


def says_so(answer: httpx.Response) -> None:
    """503 in words: a page for browsers, JSON for programs."""
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["retry-after"]) > 0
    assert "Traceback" not in answer.text
    if "text/html" in answer.headers["content-type"]:
        assert "database" in answer.text
    else:
        assert answer.json()["error"]["code"] == "unavailable"
        assert "database" in answer.json()["error"]["message"]


def is_back(client: httpx.Client) -> bool:
    return all(client.get(path).status_code == 200 for path in ("/readyz", API, PAGE))


def test_while_the_server_hangs_everything_answers_in_time_and_afterwards_works_as_before(
    web: WebServer, client: httpx.Client, postgres: Server
) -> None:
    threads_before = psutil.Process(web.process.pid).num_threads()
    with postgres.stopped(), ThreadPoolExecutor(50) as pool:
        asked = [pool.submit(ask, client, path, method) for path, method in [*ASKED * 12, *ASKED[:2]]]
        time.sleep(0.2)
        alive, seconds = ask(client, "/healthz")
        assert (alive.status_code, alive.json()) == (200, {"status": "ok"})
        assert seconds < 0.5
        for each in asked:
            answer, seconds = each.result()
            says_so(answer)
            assert seconds < WITHIN + SLOW_MACHINE
        ready, seconds = ask(client, "/readyz")
        assert seconds < WITHIN + SLOW_MACHINE
        assert ready.status_code == 503
        assert ready.json()["database"] == {"ok": False, "message": "The database is not responding."}
        says_so(ask(client, API)[0])
    eventually(lambda: is_back(client), "pages again", within=10)
    answer, seconds = ask(client, API)
    assert answer.status_code == 200
    assert seconds < 1.0
    assert ask(client, NEW, "POST")[0].status_code == 201
    assert psutil.Process(web.process.pid).num_threads() <= threads_before + 45  # the pool of the web server


def test_a_statement_that_takes_long_is_not_cut_where_the_server_answers(
    client: httpx.Client, database_url: str
) -> None:
    """Readers of a locked table wait for the lock, then are told; the rest of the lab works."""
    with psycopg.connect(database_url.replace("+psycopg", "")) as other:
        other.execute("LOCK TABLE run IN ACCESS EXCLUSIVE MODE")
        answer, seconds = ask(client, API)
        says_so(answer)
        assert "lock" in answer.json()["error"]["message"]
        assert seconds < WITHIN + SLOW_MACHINE
        assert client.get("/readyz").json()["database"]["ok"]
        other.rollback()
    assert ask(client, API)[0].status_code == 200


def test_while_the_server_refuses_or_has_cut_every_connection_words_come_at_once(
    client: httpx.Client, postgres: Server
) -> None:
    postgres.cut()
    assert ask(client, API)[0].status_code == 200
    with postgres.refusing():
        for path in (API, PAGE, STREAM):
            answer, seconds = ask(client, path)
            says_so(answer)
            assert seconds < WITHIN + SLOW_MACHINE
        assert client.get("/readyz").status_code == 503
    eventually(lambda: is_back(client), "pages again", within=10)


def test_while_the_server_is_read_only_pages_are_shown_and_changes_are_refused_in_words(
    client: httpx.Client, postgres: Server
) -> None:
    with postgres.read_only():
        eventually(lambda: ask(client, NEW, "POST")[0].status_code == 503, "the refusal", within=20)
        answer, seconds = ask(client, NEW, "POST")
        says_so(answer)
        assert "read-only" in answer.json()["error"]["message"]
        assert seconds < WITHIN + SLOW_MACHINE
        assert ask(client, API)[0].status_code == 200
        assert ask(client, PAGE)[0].status_code == 200
    eventually(lambda: ask(client, NEW, "POST")[0].status_code == 201, "writes", within=10)


def test_after_a_restart_of_the_server_pages_work_again(client: httpx.Client, postgres: Server) -> None:
    postgres.crash()
    eventually(lambda: is_back(client), "pages again", within=30)
    assert ask(client, PAGE)[0].status_code == 200


def test_while_another_process_writes_to_sqlite_reads_go_on_and_writes_are_told_in_words(
    tmp_path: Path, sqlite_files: SqliteFiles
) -> None:
    database_url = sqlite_files.new()
    web = WebServer(tmp_path, {"ETRM_HOME": str(tmp_path), "ETRM_DATABASE_URL": database_url})
    try:
        with (
            web.client(limits=httpx.Limits(max_connections=60)) as client,
            closing(sqlite3.connect(str(make_url(database_url).database), isolation_level=None)) as other,
            ThreadPoolExecutor(50) as pool,
        ):
            assert client.get(API).status_code == 200
            other.execute("BEGIN IMMEDIATE")
            writes = [pool.submit(ask, client, NEW, "POST") for _ in range(50)]
            for path in (API, PAGE) * 3:
                answer, seconds = ask(client, path)
                assert answer.status_code == 200
                assert seconds < WITHIN + SLOW_MACHINE
            for each in writes:
                says_so(each.result()[0])
            waiting = pool.submit(ask, client, NEW, "POST")
            assert ask(client, API)[0].status_code == 200
            other.execute("COMMIT")
            answer, _ = waiting.result()
            assert answer.status_code == 201
            runs = client.get(API).json()["runs"]
            assert [run["id"] for run in runs] == [answer.json()["id"]]
    finally:
        web.stop()
