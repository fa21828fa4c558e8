"""A lab with an object store: what is offered from it, examined, backed up, restored and removed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from sqlalchemy import Engine

from backend.artifacts import service as objects
from backend.artifacts.service import ObjectStore
from backend.db.session import make_engine, reading_scope, session_scope
from backend.lifecycle import service as runs
from backend.operations import backup, restore
from backend.operations.checks import database, services
from backend.operations.checks.finding import Level
from backend.runs import checkpoint_files, checkpoints
from backend.runs.tables import Checkpoint
from backend.settings import Settings
from tests.support.databases import SqliteFiles
from tests.support.object_store import S3Server
from tests.support.records.recorded import record_checkpoint
from tests.support.records.rows import add_run

RUN = "aaaaaaaaaa"


@pytest.fixture
def lab(s3_settings: Settings, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A lab on SQLite with one checkpoint, which is in the store alone; a busy machine answers late."""
    monkeypatch.setattr(checkpoint_files, "PAGE_SECONDS", 60.0)
    monkeypatch.setattr(services, "PATIENCE", 60.0)
    monkeypatch.setattr(database, "STORE_SECONDS", 60.0)
    settings = s3_settings.model_copy(update={"database_url": sqlite_url})
    engine = make_engine(sqlite_url)
    add_run(engine, RUN)
    record_checkpoint(engine, settings.artifacts, RUN, 10)
    store = objects.of(settings)
    assert store
    path = row(engine).path
    store.publish(settings.artifacts / path, path)
    shutil.rmtree(settings.artifacts / RUN)
    engine.dispose()
    return settings


@pytest.fixture
def engine(lab: Settings) -> Engine:
    return make_engine(lab.database_url)


def row(engine: Engine) -> Checkpoint:
    with reading_scope(engine) as session:
        return checkpoints.get(session, RUN, 10)


def test_weights_are_offered_and_fetched_when_they_are_asked_for(lab: Settings, engine: Engine) -> None:
    offered = {file.weights: file.size_bytes for file in checkpoint_files.of(lab, row(engine))}
    assert offered == {"ema": len("ema of step 10"), "raw": len("raw of step 10")}
    assert not (lab.artifacts / RUN).exists()
    assert checkpoint_files.get(lab, row(engine), "ema").path.read_text() == "ema of step 10"


def test_what_is_removed_is_removed_from_the_store(lab: Settings, engine: Engine, store: ObjectStore) -> None:
    checkpoint_files.remove(lab, [row(engine).path])
    assert store.published() == []
    record_checkpoint_again(lab, store)
    runs.remove_artifacts(lab, RUN)
    assert store.published() == []


def record_checkpoint_again(lab: Settings, store: ObjectStore) -> None:
    engine = make_engine(lab.database_url)
    with session_scope(engine) as session:
        checkpoints.forget(session, RUN, [10])
    record_checkpoint(engine, lab.artifacts, RUN, 10)
    store.publish(lab.artifacts / row(engine).path, row(engine).path)
    assert store.published() == [row(engine).path]
    engine.dispose()


def test_the_doctor_looks_into_the_store(lab: Settings, s3_server: S3Server) -> None:
    [well] = services.check_store(lab)
    assert well.level is Level.OK
    assert str(lab.artifacts_url) in well.what
    assert any("1 checkpoint, all with their files" in each.what for each in database.check(lab))
    elsewhere = lab.model_copy(update={"artifacts_url": s3_server.new_url()})
    [away] = [each for each in database.check(elsewhere) if each.part == "checkpoints"]
    assert away.level is Level.WARNING
    assert str(elsewhere.artifacts_url) in away.what
    assert "ETRM_ARTIFACTS_URL" in away.advice


def test_a_backup_holds_what_is_in_the_store_and_restores_it_into_another(
    lab: Settings, engine: Engine, s3_server: S3Server, sqlite_files: SqliteFiles, tmp_path: Path
) -> None:
    lab.artifacts.mkdir(parents=True, exist_ok=True)
    file = tmp_path / "lab.etrm"
    assert backup.write(engine, lab, file, overwrite=False, incomplete=False).checkpoints == 1
    other = lab.model_copy(
        update={
            "artifacts": tmp_path / "other",
            "artifacts_url": s3_server.new_url(),
            "database_url": sqlite_files.new(),
        }
    )
    restore.read(other, file, replace=False)
    restored = objects.of(other)
    assert restored
    assert restored.published() == [row(make_engine(other.database_url)).path]
