"""A lab whose checkpoints are in an object store: the store hangs, the run moves to another machine."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.artifacts import service as objects
from backend.db.session import reading_scope, session_scope
from backend.domain.evaluation_request import EvaluationRequest
from backend.evaluation import service as evaluations
from backend.queue import dispatch
from backend.runs import checkpoint_files, checkpoints
from backend.runs.tables import Checkpoint
from backend.settings import Settings
from tests.faults.conftest import started
from tests.support.databases import SqliteFiles
from tests.support.lab import etrm
from tests.support.object_store import S3Server
from tests.support.processes import PATIENCE, Lab, eventually
from tests.support.records.tiny import CHECKPOINT_EVERY, STEPS, numbers, tiny
from worker.recording.journal import FOLDER

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def stored_lab(
    tmp_path_factory: pytest.TempPathFactory, sqlite_files: SqliteFiles, s3_server: S3Server
) -> Iterator[Lab]:
    """A lab on SQLite with an object store."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in s3_server.environment.items():
            patch.setenv(name, value)
        patch.setenv("ETRM_ARTIFACTS_URL", s3_server.new_url())
        with started(tmp_path_factory.mktemp("stored"), sqlite_files.new()) as lab:
            yield lab


def listed(lab: Lab, run_id: str) -> list[Checkpoint]:
    """The checkpoints that the database lists, newest first."""
    with reading_scope(lab.engine) as session:
        return list(checkpoints.list(session, run_id))


def assert_all_verify(lab: Lab, run_id: str, elsewhere: Path) -> None:
    """What the database lists is what the store has, and comes whole to another machine."""
    store = objects.of(Settings.load(), 60.0)
    assert store
    rows = listed(lab, run_id)
    assert rows[0].step == STEPS
    assert store.published(run_id) == sorted(row.path for row in rows)
    for row in rows:
        store.fetch(row.path, row.sha256, elsewhere)
    assert not list((lab.artifacts / run_id).glob(f"{FOLDER}/*"))


def test_a_store_that_hangs_loses_nothing_and_holds_no_point_up(
    stored_lab: Lab, s3_server: S3Server, tmp_path: Path
) -> None:
    run_id = stored_lab.submit(tiny())
    eventually(lambda: listed(stored_lab, run_id), "the first checkpoint")
    with s3_server.paused():
        stored_lab.await_step(run_id, STEPS)  # the database has every point meanwhile
        assert stored_lab.row(run_id).status == "running"
        assert listed(stored_lab, run_id)[0].step < STEPS
    row = stored_lab.await_status(run_id, "finished")
    assert row.attempt == 1
    assert list(stored_lab.points(run_id)["loss"]) == list(range(1, STEPS + 1))
    assert_all_verify(stored_lab, run_id, tmp_path)


def test_a_child_killed_while_the_store_hangs_loses_no_checkpoint(
    stored_lab: Lab, s3_server: S3Server, tmp_path: Path
) -> None:
    run_id = stored_lab.submit(tiny())
    child = stored_lab.await_child(run_id)
    eventually(lambda: listed(stored_lab, run_id), "the first checkpoint")
    with s3_server.paused():
        stored_lab.await_step(run_id, STEPS)
        before = listed(stored_lab, run_id)[0].step
        child.kill()
        child.wait(timeout=PATIENCE)
    row = stored_lab.await_status(run_id, "finished")
    assert row.attempt > 1
    assert before < STEPS - CHECKPOINT_EVERY
    assert f"Resuming from the checkpoint of step {before}." not in stored_lab.log_text(run_id)
    assert list(stored_lab.points(run_id)["loss"]) == list(range(1, STEPS + 1))
    assert_all_verify(stored_lab, run_id, tmp_path)


def test_a_run_goes_on_and_is_evaluated_where_none_of_its_files_are(
    stored_lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = stored_lab
    undisturbed = lab.submit(tiny())
    lab.await_status(undisturbed, "finished")
    run_id = lab.submit(tiny())
    eventually(lambda: listed(lab, run_id), "the first checkpoint")
    assert lab.worker
    os.kill(lab.worker.pid, signal.SIGTERM)
    lab.worker.wait(timeout=PATIENCE)
    assert lab.row(run_id).status == "queued"

    second = tmp_path / "second"
    lab.environment["ETRM_ARTIFACTS"] = str(second)
    lab.start_worker()
    lab.await_status(run_id, "finished")
    assert "Resuming from the checkpoint of step" in lab.log_text(run_id)
    assert numbers(lab.points(run_id)) == numbers(lab.points(undisturbed))

    with session_scope(lab.engine) as session:
        asked = EvaluationRequest(set="arc-agi-1/evaluation", first_tasks=2, views=1)
        evaluation = evaluations.request(session, undisturbed, asked).id
    dispatch.send_evaluation(evaluation, 1)

    def over() -> str:
        with reading_scope(lab.engine) as session:
            view = evaluations.get(session, evaluation)
        return "" if view.is_active else f"{view.status} {view.status_cause}"

    assert eventually(over, "the evaluation").split()[0] == "finished"

    monkeypatch.setattr(checkpoint_files, "PAGE_SECONDS", 60.0)  # a busy machine answers, but late
    third = Settings.load().model_copy(update={"artifacts": tmp_path / "third"})
    row = listed(lab, run_id)[0]
    offered = checkpoint_files.of(third, row)
    assert [file.weights for file in offered] == ["ema", "raw"]
    assert not third.artifacts.exists()
    file = checkpoint_files.get(third, row, "ema")
    assert (file.sha256, file.size_bytes) == (offered[0].sha256, file.path.stat().st_size)

    exported = tmp_path / "exported.safetensors"
    done = etrm(lab.folder, "checkpoint", "export", run_id, str(exported), **_settings(tmp_path / "fourth"))
    assert done.returncode == 0, done.stderr
    assert f"step {STEPS}" in done.stdout


def _settings(artifacts: Path) -> dict[str, str]:
    """This lab's, on another machine."""
    names = ("ETRM_DATABASE_URL", "ETRM_ARTIFACTS_URL")
    return {name: os.environ[name] for name in names} | {"ETRM_ARTIFACTS": str(artifacts)}
