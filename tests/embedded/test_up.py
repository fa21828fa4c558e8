"""`etrm up` as a newcomer uses it: real processes, from the printed address to the last process gone."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from backend.terminal.home import LOCK
from tests.support.commands import REFUSALS
from tests.support.lab import START_SECONDS, StartedLab, etrm, gone, is_over, processes_of

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One folder for the life of a lab: the scenarios below continue from one another's state."""
    home = tmp_path_factory.mktemp("lab")
    yield home
    for process in processes_of(home):
        process.kill()


@pytest.fixture(scope="module")
def lab(home: Path) -> Iterator[StartedLab]:
    lab = StartedLab(home, "--no-demo")
    yield lab
    lab.process.kill()


@pytest.fixture(scope="module")
def token(lab: StartedLab) -> str:
    """An API token made while the first lab runs."""
    return etrm(lab.home, "token", "create", "kept").stdout.strip()


@pytest.fixture(scope="module")
def restarted(home: Path) -> Iterator[StartedLab]:
    """The lab of the same folder, started after the first one was killed."""
    lab = StartedLab(home, "--no-demo")
    yield lab
    lab.process.kill()


def eventually(condition: Callable[[], bool], seconds: float = START_SECONDS) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def healthy(lab: StartedLab) -> bool:
    """Whether web server, database, broker and worker all answer."""
    try:
        health = httpx.get(f"{lab.url}/readyz", timeout=60)
    except httpx.HTTPError:
        return False
    return bool(health.json()["status"] == "ok")


def refusal(home: Path, *options: str, **variables: str) -> str:
    """What `etrm up` says when it cannot start: one line, no traceback."""
    done = etrm(home, "up", *options, **variables)
    assert done.returncode in REFUSALS, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_the_printed_address_logs_the_browser_in_once(lab):
    with httpx.Client(follow_redirects=True) as browser:
        assert browser.get(lab.login_url).status_code == 200
        assert browser.get(lab.url).url.path == "/"
    with httpx.Client(follow_redirects=True) as stranger:
        assert stranger.get(lab.url).status_code == 401
        assert stranger.get(lab.login_url).status_code == 401


def test_everything_answers_once_the_address_is_printed(lab):
    assert eventually(lambda: healthy(lab))  # a busy machine may miss one look at the broker


def test_nothing_in_the_folder_is_readable_by_others(lab, token):
    assert list((lab.home / "logs").iterdir())
    paths = [lab.home, *lab.home.rglob("*")]
    assert [path for path in paths if path.lstat().st_mode & 0o077] == []


def test_only_the_loopback_can_connect(lab):
    [(address, _)] = {
        (each.laddr.ip, each.status)
        for process in processes_of(lab.home)
        for each in process.net_connections("tcp")
        if each.status == "LISTEN"
    }
    assert address == "127.0.0.1"


def test_a_second_start_on_the_same_folder_names_the_first(lab):
    said = refusal(lab.home, "--port", "0")
    assert f"(process {lab.process.pid}): {lab.url}" in said
    assert eventually(lambda: healthy(lab))


def test_other_commands_find_the_running_lab(lab):
    login = etrm(lab.home, "login").stdout.strip()
    assert login.startswith(f"{lab.url}/login?token=")
    with httpx.Client(follow_redirects=True) as browser:
        assert browser.get(login).status_code == 200


@pytest.mark.parametrize("name", ["valkey", "backend.cli web", "worker worker"])
def test_a_killed_child_is_started_again(lab, name):
    before = lab.child(name).pid
    os.kill(before, signal.SIGKILL)
    assert eventually(lambda: any(child.pid != before for child in lab.children(name)))
    assert eventually(lambda: healthy(lab))


@pytest.mark.skipif(sys.platform != "linux", reason="the parent-death signal is Linux's")
def test_kill_nine_of_the_supervisor_leaves_no_process(lab, token):
    processes = processes_of(lab.home)
    assert len(processes) >= 4
    lab.kill()
    assert all(is_over(process) for process in processes)
    assert gone(lab.home, 1)


def test_the_next_start_finds_all_in_order(restarted, token):
    assert eventually(
        lambda: healthy(restarted)
    )  # the worker that was killed counts until its last beat is old
    answer = httpx.get(f"{restarted.url}/api/v1/runs", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200


def test_sigterm_ends_every_process_and_leaves_no_lock(restarted):
    processes = processes_of(restarted.home)
    said = restarted.stop()
    assert restarted.process.returncode == 0
    assert said.endswith("Stopped.\n")
    assert all(is_over(process, 0.1) for process in processes)
    assert gone(restarted.home, 0.1)
    assert not (restarted.home / LOCK).exists()
    with closing(sqlite3.connect(restarted.home / "etrm.sqlite3")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_the_first_start_queues_the_quick_run_and_stopping_puts_it_back(tmp_path):
    lab = StartedLab(tmp_path)

    def quick_run() -> dict[str, Any]:
        (only,) = json.loads(etrm(tmp_path, "runs", "--json").stdout)["runs"]
        return only

    assert quick_run()["name"] == "quick"
    assert eventually(lambda: quick_run()["progress"]["phase"] == "training")
    lab.stop(signal.SIGINT)  # as Ctrl-C does
    assert lab.process.returncode == 0
    assert gone(tmp_path, 0.1)
    stopped = quick_run()
    assert stopped["status"] == "queued"
    assert "the worker was stopped; resumes from step" in stopped["status_cause"]
    assert list((tmp_path / "artifacts" / stopped["id"] / "checkpoints").iterdir()), "no checkpoint"


# --- what can be in the way ----------------------------------------------------------------------


def test_a_taken_port_is_named_with_the_way_out(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        said = refusal(tmp_path, "--port", port)
    assert f"Port {port} on 127.0.0.1 is taken by" in said
    assert "--port" in said
    assert gone(tmp_path, 1)


def test_a_file_in_the_folders_place_is_named(tmp_path):
    (tmp_path / "taken").write_text("")
    assert "set ETRM_HOME to another folder" in refusal(tmp_path / "taken", "--port", "0")


def test_a_broker_that_does_not_answer_is_told_without_its_password(tmp_path):
    said = refusal(tmp_path, "--port", "0", ETRM_BROKER_URL="redis://:secret@127.0.0.1:1/0")
    assert "The broker at 127.0.0.1:1/0 is not responding" in said
    assert "secret" not in said


def test_a_database_that_does_not_answer_is_told_and_nothing_is_left(tmp_path):
    said = refusal(tmp_path, "--port", "0", ETRM_DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    assert "Could not use the database" in said
    assert gone(tmp_path, 1)


def test_a_spoilt_database_file_is_told_in_words(tmp_path):
    (tmp_path / "etrm.sqlite3").write_bytes(b"not a database" * 1000)
    assert "database" in refusal(tmp_path, "--port", "0")
