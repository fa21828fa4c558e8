"""The log as JSON: every line of a real server and worker parses; a request's trace id leads to its run."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.routing import iter_route_contexts
from starlette.datastructures import Headers

from backend.app import create_app
from backend.db.session import session_scope
from backend.kit.service_log import JsonLines, about
from backend.people import service as accounts
from backend.settings import Settings
from backend.web.entrance.trace import public, trace_of
from tests.support.databases import SqliteFiles
from tests.support.lab import etrm
from tests.support.processes import PATIENCE, Lab, eventually, kill
from tests.support.records.tiny import tiny

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
Line = dict[str, Any]


class JsonLab:
    """Web server and worker whose whole output goes to a file each."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._web_log = lab.folder / "web.log"
        with self._web_log.open("wb") as log:
            self._web = subprocess.Popen(
                [sys.executable, "-m", "backend.cli", "web", "--port", "0"],
                env=os.environ | lab.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        lab.start_worker()
        with session_scope(lab.engine) as session:
            token = accounts.create_token(session, "test")
        serving = eventually(lambda: self.find(self.web(), message=r"Serving on http.*"), "the web server")
        self.client = httpx.Client(
            base_url=serving[0]["message"].split()[-1],
            headers={"Authorization": f"Bearer {token}"},
            transport=httpx.HTTPTransport(retries=10),  # bound already, but it may not listen yet
            timeout=PATIENCE,
        )

    def web(self) -> list[Line]:
        return parsed(self._web_log)

    def worker(self) -> list[Line]:
        return parsed(self._lab.folder / "worker.log")

    def find(self, lines: list[Line], **fields: str) -> list[Line]:
        """The lines whose fields match these patterns."""
        return [
            line
            for line in lines
            if all(re.fullmatch(pattern, str(line.get(name, ""))) for name, pattern in fields.items())
        ]

    def stop(self) -> None:
        """SIGTERM to both, and wait for the end."""
        assert self._lab.worker
        for process in (self._web, self._lab.worker):
            process.terminate()
        for process in (self._web, self._lab.worker):
            process.wait(timeout=PATIENCE)
        self.client.close()

    def kill(self) -> None:
        self.client.close()
        kill(self._web)


def parsed(log: Path) -> list[Line]:
    """Every complete line, which must be JSON."""
    lines = log.read_text().splitlines(keepends=True) if log.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


@contextmanager
def started(lab: Lab) -> Iterator[JsonLab]:
    """Web server and worker; they leave in good order, so that their last lines are read too."""
    running = JsonLab(lab)
    try:
        yield running
        running.stop()
    finally:
        running.kill()


@pytest.fixture
def lab(tmp_path: Path, sqlite_files: SqliteFiles) -> Iterator[Lab]:
    """Broker and database, with the JSON log in the environment."""
    lab = Lab(tmp_path, sqlite_files.new())
    lab.environment["ETRM_LOG_FORMAT"] = "json"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in lab.environment.items():
            patch.setenv(name, value)
        try:
            lab.start_broker()
            yield lab
        finally:
            lab.stop()


def test_a_trace_id_leads_from_the_request_to_the_lines_of_its_run(lab: Lab) -> None:
    done = etrm(lab.folder, "migrate", **lab.environment)
    assert done.returncode == 0, done.stderr
    migrated = [json.loads(line) for line in (done.stdout + done.stderr).splitlines()]
    assert "The database is up to date." in [line["message"] for line in migrated]

    with started(lab) as running:
        body = tiny().model_dump(mode="json")
        launched = running.client.post("/api/v1/runs", json=body, headers={"traceparent": PARENT})
        assert launched.status_code == 201, launched.text
        assert launched.headers["x-request-id"] == TRACE
        run_id = launched.json()["id"]
        begun = {"run_id": run_id, "message": "Started process .*"}
        eventually(lambda: running.find(running.worker(), **begun), "the training's process")
        assert running.client.post(f"/api/v1/runs/{run_id}/cancel").status_code == 200
        ended = {"run_id": run_id, "message": ".*: cancelled"}
        eventually(lambda: running.find(running.worker(), **ended), "the end of the run")
        assert running.client.get("/s/a-secret").status_code == 404

    web, worker = running.web(), running.worker()
    for line in [*web, *worker]:
        assert datetime.fromisoformat(line["time"]).utcoffset() is not None
        assert {"level", "logger", "message"} <= line.keys()
    [access] = running.find(web, method="POST", path="/api/v1/runs")
    assert (access["trace_id"], access["status"]) == (TRACE, 201)
    assert 0 < access["seconds"] < PATIENCE
    assert running.find(web, trace_id=TRACE, run_id=run_id)
    assert "a-secret" not in json.dumps(web)

    of_run = running.find(worker, trace_id=TRACE)
    assert {(line["run_id"], line["attempt"]) for line in of_run} == {(run_id, 1)}
    assert {line["logger"] for line in of_run} >= {"worker.service.tasks", "worker.service.supervision"}
    assert running.find(of_run, **ended)
    assert len({line["worker_id"] for line in worker}) == 1


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"traceparent": PARENT}, TRACE),
        ({"traceparent": PARENT, "x-request-id": "mine"}, TRACE),
        ({"traceparent": PARENT.upper(), "x-request-id": "mine"}, "mine"),
        ({"traceparent": f"00-{'0' * 32}-00f067aa0ba902b7-01", "x-request-id": "mine"}, "mine"),
        ({"traceparent": f"00-{TRACE}-{'0' * 16}-01", "x-request-id": "mine"}, "mine"),
        ({"x-request-id": "b3f1c2d4-0000-4000-8000-aabbccddeeff"}, "b3f1c2d4-0000-4000-8000-aabbccddeeff"),
    ],
)
def test_the_senders_trace_id_is_taken_where_it_is_valid(headers: dict[str, str], expected: str) -> None:
    assert trace_of(Headers(headers)) == expected


@pytest.mark.parametrize("given", ["", "two words", "a" * 129, 'quote"', "é"])
def test_another_request_id_is_replaced_by_a_new_one(given: str) -> None:
    made = [trace_of(Headers({"x-request-id": given})) for _ in range(2)]
    assert all(re.fullmatch("[0-9a-f]{32}", each) for each in made)
    assert made[0] != made[1]


def test_no_secret_of_an_address_stands_in_the_log(tmp_path: Path) -> None:
    routes = iter_route_contexts(create_app(Settings(home=tmp_path)).routes)
    secret = [route.path for route in routes if route.path and "{secret}" in route.path]
    assert secret
    assert not [path for path in secret if "{secret}" in public(path)]


def test_an_exception_is_one_field_and_no_text_breaks_the_line() -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError:
        error = sys.exc_info()
    record = logging.LogRecord("backend.app", logging.ERROR, "", 0, "an \x1b[31m%s", ("é\u2028",), error)
    with about(run_id="aaaaaaaaaa", attempt=2, evaluation_id=0):
        text = JsonLines({"worker_id": "here"}).format(record)
    assert text.isascii()
    assert len(text.splitlines()) == 1
    line = json.loads(text)
    assert line["message"] == "an \x1b[31mé\u2028"
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("ValueError: two\nlines")
    assert (line["level"], line["run_id"], line["attempt"]) == ("error", "aaaaaaaaaa", 2)
    assert line["worker_id"] == "here"
    assert "evaluation_id" not in line
