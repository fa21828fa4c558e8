"""The CLI on a lab elsewhere: who gets in, where a token goes, and what is no lab."""

from __future__ import annotations

import io
import json
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any
from uuid import uuid4

import pytest

from backend.db.session import reading_scope, session_scope
from backend.domain.records import MetricFrame
from backend.evaluation import service as evaluations
from backend.kit.exit_codes import ExitCode
from backend.metrics import service as series
from backend.people import service as accounts
from backend.terminal.port import free_local_port
from tests.support.lab import environment
from tests.support.processes import eventually
from tests.support.records.recorded import (
    record_run,
)
from tests.support.remote_labs import Labs, ended
from tests.support.web import WebServer


def token_of(labs: Labs, role: str, scope: str = "admin") -> str:
    with session_scope(labs.engine) as session:
        name = f"{role} {uuid4().hex[:6]}"
        accounts.add_person(session, name, role)
        return accounts.create_token(session, name, name, scope)


def test_a_token_may_do_what_its_person_may(labs: Labs) -> None:
    viewer, editor = token_of(labs, "viewer"), token_of(labs, "editor")
    run = record_run(labs.engine, status="queued", points=0)
    assert labs.by_url(f"run show {run}", viewer).returncode == 0
    refused = labs.by_url(f"runs note {run} mine", viewer)
    assert (refused.returncode, refused.stdout) == (ExitCode.NOT_ALLOWED, "")
    assert "is a viewer, and this takes an editor" in refused.stderr
    assert labs.by_url(f"runs note {run} mine", editor).returncode == 0
    assert "takes an admin" in labs.by_url("token list", editor).stderr
    reader = token_of(labs, "editor", "read")
    assert "has the scope read" in labs.by_url(f"runs note {run} mine", reader).stderr
    assert "role viewer  scope admin" in labs.by_url("whoami", viewer).stdout


@pytest.mark.parametrize(
    ("token", "code", "said"),
    [
        ("etrm_wrong-token-that-nobody-made", ExitCode.NOT_ALLOWED, "does not know the token"),
        ("two words", ExitCode.FAILED, "ETRM_TOKEN: must be"),
    ],
)
def test_a_wrong_token_is_refused_and_not_repeated(labs: Labs, token: str, code: int, said: str) -> None:
    done = labs.by_url("runs", token)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert token not in done.stderr


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://lab.example", "ETRM_URL: must be http://HOST:PORT"),
        ("http://ines:secret@lab.example", "ETRM_URL: must be"),
        ("https://lab.example/?token=secret", "ETRM_URL: must be"),
    ],
)
def test_what_is_no_address_of_a_lab_is_refused(labs: Labs, url: str, said: str) -> None:
    done = labs.by_url("runs", ETRM_URL=url)
    assert done.returncode == 1
    assert said in done.stderr
    assert "secret" not in done.stderr


def test_options_go_before_the_environment(labs: Labs) -> None:
    options = f"--url {labs.server.url} --token {labs.server.token}"
    elsewhere = f"http://127.0.0.1:{free_local_port()}"
    done = labs.by_url(f"{options} whoami", "etrm_wrong", ETRM_URL=elsewhere)
    assert done.stdout == "the owner  role admin  scope admin\n"
    assert "cannot be reached" in labs.by_url("whoami", ETRM_URL=elsewhere).stderr
    tls = labs.server.url.replace("http:", "https:")
    assert "does not speak TLS" in labs.by_url("whoami", ETRM_URL=tls).stderr


class Stranger(BaseHTTPRequestHandler):
    """A server that is no lab: remembers what it is asked and answers what the test says."""

    asked: list[dict[str, str]]
    answer: tuple[int, dict[str, str], bytes]

    def do_GET(self) -> None:
        self.asked.append(dict(self.headers))
        status, headers, body = self.answer
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def stranger(
    status: int, headers: dict[str, str], body: bytes = b""
) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """Its address and the headers of the requests that come."""
    asked: list[dict[str, str]] = []
    kind = type("Handler", (Stranger,), {"asked": asked, "answer": (status, headers, body)})
    with ThreadingHTTPServer(("127.0.0.1", 0), kind) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", asked
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("line", "code"),
    [("--url {url} runs", ExitCode.NOT_ALLOWED), ("login {url}", ExitCode.UNAVAILABLE)],
)
def test_a_token_is_not_sent_to_another_lab_than_its_own(
    labs: Labs, line: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("etrm_of-the-other-lab\n"))
    with stranger(200, {}) as (url, asked):
        done = labs.by_url(line.format(url=url))
    assert done.returncode == code
    assert labs.server.token not in json.dumps(asked)


def test_a_redirect_does_not_get_the_token(labs: Labs) -> None:
    with stranger(200, {}) as (target, asked), stranger(307, {"Location": f"{target}/x"}) as (url, _):
        done = labs.by_url("runs", ETRM_URL=url)
    assert done.returncode == ExitCode.UNAVAILABLE
    assert f"sends to another address: {target}/x" in done.stderr
    assert asked == []


def test_what_is_no_lab_is_told_apart(labs: Labs) -> None:
    with stranger(200, {"Content-Type": "text/html"}, b"<p>Welcome") as (url, _):
        assert "does not answer as this version" in labs.by_url("runs", ETRM_URL=url).stderr
    with stranger(502, {"Content-Type": "text/html"}, b"<p>Bad gateway") as (url, _):
        assert "it answers 502 (text/html)" in labs.by_url("runs", ETRM_URL=url).stderr


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"Content-Length": "1000"}, "The connection to"),
        ({"Repr-Digest": "sha-256=:AAAA:"}, "damaged on its way"),
    ],
)
def test_a_file_that_does_not_arrive_whole_is_not_left(
    labs: Labs, tmp_path: Path, headers: dict[str, str], said: str
) -> None:
    target = tmp_path / "mine"
    target.write_text("before")
    named = {"Content-Disposition": 'attachment; filename="../../.profile"'}
    with stranger(200, named | headers, b"half of it") as (url, _):
        done = labs.by_url(f"runs export --out {target}", ETRM_URL=url)
    assert said in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert target.read_text() == "before"


@pytest.mark.parametrize("as_", ["csv", "tensorboard"])
def test_a_file_whose_server_is_killed_is_not_left(labs: Labs, tmp_path: Path, as_: str) -> None:
    """A file that is made while it is sent has no length to be held against."""
    run, number = record_run(labs.engine, points=0), 2_000_000  # more than any buffer on the way holds
    steps, values = list(range(number)), [0.1] * number
    with session_scope(labs.engine) as session:
        series.append(session, run, MetricFrame(steps, [1e9] * number, {"loss": values}))
    server = WebServer(tmp_path, labs.settings)
    target = tmp_path / "here" / "curves"
    target.parent.mkdir()
    target.write_text("before")
    getting = subprocess.Popen(
        [sys.executable, "-m", "backend.cli", "run", "curves", run, "--format", as_, "--out", str(target)],
        env=environment(labs.folder / "elsewhere", ETRM_URL=server.url, ETRM_TOKEN=server.token),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        eventually(
            lambda: any(part.stat().st_size for part in target.parent.glob("*.part")), "the first bytes"
        )
        getting.send_signal(signal.SIGSTOP)  # until the server is dead
        server.process.kill()
        server.process.wait()
        getting.send_signal(signal.SIGCONT)
        printed, told = getting.communicate(timeout=300)
    finally:
        getting.kill()
        server.process.kill()
        server.process.wait()
        server.close()
    assert (getting.returncode, printed) == (ExitCode.UNAVAILABLE, "")
    assert f"The connection to {server.url} was lost" in told
    assert [path.name for path in target.parent.iterdir()] == ["curves"]
    assert target.read_text() == "before"


def test_a_lab_does_not_choose_the_folder_of_a_file(
    labs: Labs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    named = {"Content-Disposition": 'attachment; filename="../../.profile"'}
    with stranger(200, named, b"rm -rf") as (url, _):
        assert labs.by_url("runs export", ETRM_URL=url).stdout == "Wrote profile.\n"
    assert [path.name for path in tmp_path.iterdir()] == ["profile"]


def test_a_login_is_stored_for_its_address_alone(
    labs: Labs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def at(line: str, typed_in: str = "", url: str = "") -> CompletedProcess[str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed_in))
        variables = {"XDG_CONFIG_HOME": str(tmp_path), "ETRM_TOKEN": "", "ETRM_URL": url}
        return labs.by_url(line, **variables)

    url, token, file = labs.server.url, labs.server.token, tmp_path / "etrm" / "logins.json"
    assert "No token is known" in at("whoami", url=url).stderr
    assert "does not know the token" in at(f"login {url}", "etrm_wrong\n").stderr
    assert not file.exists()
    done = at(f"login {url}/", f"{token}\n")
    assert f"Logged in to {url} as the owner, admin" in done.stdout
    assert token not in done.stdout + done.stderr
    assert json.loads(file.read_text()) == {url: token}
    assert [stat.S_IMODE(path.stat().st_mode) for path in (file, file.parent)] == [0o600, 0o700]
    assert at("whoami", url=url).stdout == "the owner  role admin  scope admin\n"
    with stranger(200, {}) as (other, asked):
        assert f"No token is known for {other}" in at("whoami", url=other).stderr
        assert asked == []
    file.chmod(0o644)
    assert "Others can read" in at("whoami", url=url).stderr
    file.chmod(0o600)
    assert "Logged out" in at("logout", url=url).stdout
    assert json.loads(file.read_text()) == {}
    assert "No token of" in at(f"logout {url}").stderr


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """What is started hears Ctrl-C, as in a terminal: a suite that runs in the background would hand down
    that it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
def test_an_evaluation_is_followed_by_url(labs: Labs) -> None:
    """Ctrl-C ends the following, not the evaluation; the end of the evaluation ends the following."""
    by_url = {"ETRM_URL": labs.server.url, "ETRM_TOKEN": labs.server.token}
    for ends in (True, False):
        run = ended(labs)
        following = subprocess.Popen(
            [sys.executable, "-m", "backend.cli", "evaluate", run, "--first", "4"],
            env=environment(labs.folder / "elsewhere", **by_url),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

        def queued(run: str = run) -> list[int]:
            with reading_scope(labs.engine) as session:
                return [each.id for each in evaluations.find(session, run)]

        (job,) = eventually(queued, "the evaluation")
        assert following.stderr
        first = following.stderr.readline()
        assert first.startswith("queued")
        if ends:
            with session_scope(labs.engine) as session:
                evaluations.cancel(session, job)
        else:
            following.send_signal(signal.SIGINT)
        printed, rest = following.communicate(timeout=300)
        assert f"Queued evaluation {job} of run {run}" in printed
        assert following.returncode == (1 if ends else 130)
        assert "status    cancelled" in printed if ends else "Still running" in rest
