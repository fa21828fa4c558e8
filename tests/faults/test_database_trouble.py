"""A training whose database hangs, takes no writes, restarts or is cut off: it waits, and loses nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from backend.db.session import reading_scope
from backend.runs import checkpoints
from tests.support.postgres_faults import Server
from tests.support.processes import PATIENCE, Lab, eventually, kill
from tests.support.records.tiny import STEPS, tiny
from worker.recording.entries import Checkpoint, Point
from worker.recording.journal import FOLDER, batches, path_of
from worker.service.supervision import STOPPED

pytestmark = pytest.mark.faults

BEGUN = 3  # steps after which trouble comes
AWAY = 25  # steps that a training does meanwhile


@pytest.fixture
def server(postgres_lab: Lab) -> Server:
    return Server(postgres_lab.engine.url.render_as_string(hide_password=False))


def journaled(lab: Lab, run_id: str, attempt: int = 1) -> list[int]:
    """Steps of the points that only the journal has."""
    path = path_of(lab.artifacts / run_id, attempt)
    found = batches(path) if path.exists() else ()
    return [entry.step for _, entries in found for entry in entries if isinstance(entry, Point)]


def await_journal(lab: Lab, run_id: str, steps: int) -> None:
    eventually(lambda: len(journaled(lab, run_id)) >= steps, f"{steps} points in the journal")


def assert_nothing_is_lost(lab: Lab, run_id: str) -> None:
    assert list(lab.points(run_id)["loss"]) == list(range(1, STEPS + 1))
    lines = lab.log_text(run_id).splitlines()
    finished = [line for line in lines if "pass@" in line]
    assert len(finished) == len(set(finished))
    assert not list((lab.artifacts / run_id).glob(f"{FOLDER}/*"))


def test_a_server_that_takes_no_writes_is_waited_out(postgres_lab: Lab, server: Server) -> None:
    run_id = postgres_lab.submit(tiny())
    postgres_lab.await_step(run_id, BEGUN)
    with server.read_only():
        await_journal(postgres_lab, run_id, AWAY)
    row = postgres_lab.await_status(run_id, "finished")
    assert row.attempt == 1
    assert_nothing_is_lost(postgres_lab, run_id)


def test_a_server_that_hangs_and_then_restarts_is_waited_out(postgres_lab: Lab, server: Server) -> None:
    run_id = postgres_lab.submit(tiny())
    postgres_lab.await_step(run_id, BEGUN)
    with server.stopped():
        await_journal(postgres_lab, run_id, AWAY)
    server.crash()
    row = postgres_lab.await_status(run_id, "finished")
    assert row.attempt == 1
    assert_nothing_is_lost(postgres_lab, run_id)


def test_what_a_child_did_while_the_server_hung_survives_its_death(postgres_lab: Lab, server: Server) -> None:
    run_id = postgres_lab.submit(tiny())
    child = postgres_lab.await_child(run_id)
    postgres_lab.await_step(run_id, BEGUN)
    with server.stopped():
        await_journal(postgres_lab, run_id, AWAY)
        kill(child)
        done = journaled(postgres_lab, run_id)[-1]
        path = path_of(postgres_lab.artifacts / run_id, 1)
        saved = [
            entry.step for _, entries in batches(path) for entry in entries if isinstance(entry, Checkpoint)
        ]
        assert saved
    postgres_lab.await_status(run_id, "finished")
    with reading_scope(postgres_lab.engine) as session:
        assert checkpoints.list(session, run_id)
    resumed = f"Resuming from the checkpoint of step {saved[-1]}"
    assert resumed in postgres_lab.log_text(run_id), f"{done} steps were done"
    assert_nothing_is_lost(postgres_lab, run_id)


def test_a_training_that_starts_while_the_server_takes_no_connections_waits_for_it(
    postgres_lab: Lab, server: Server, tmp_path: Path
) -> None:
    run_id = postgres_lab.submit(tiny())
    child = postgres_lab.await_child(run_id)
    postgres_lab.engine.dispose()
    with server.refusing():
        console = postgres_lab.artifacts / run_id / "console.txt"
        eventually(
            lambda: (
                "Waiting for the database" in console.read_text() or "entries wait" in console.read_text()
            ),
            "the child waiting",
        )
        assert child.is_running()
    row = postgres_lab.await_status(run_id, "finished")
    assert row.attempt == 1
    assert_nothing_is_lost(postgres_lab, run_id)


@pytest.mark.parametrize("module", ["train", "evaluate"])
def test_who_is_told_to_leave_while_waiting_for_the_server_leaves_and_has_not_failed(
    module: str, tmp_path: Path
) -> None:
    environment = {"ETRM_HOME": str(tmp_path), "ETRM_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}
    child = subprocess.Popen(
        [sys.executable, "-m", f"worker.service.{module}", "1", "1"],
        env=os.environ | environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stderr
    with child.stderr as said:
        assert "Waiting for the database" in next(line for line in said if "database" in line)
        child.terminate()
        assert "Leaving without the database" in said.read()
    assert child.wait(timeout=PATIENCE) == STOPPED
