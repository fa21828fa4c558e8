"""Checkpoints on their way into the object store: listed once they are there, and never in anybody's way."""

from __future__ import annotations

import json
import shutil
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import Engine

from backend.artifacts.service import ObjectStore
from backend.db.session import reading_scope, session_scope
from backend.domain.records import Checkpoint
from backend.metrics import service as series
from backend.queue import claims as queue
from backend.runs import checkpoints
from backend.settings import Settings
from backend.workers import lease
from tests.support.object_store import S3Server
from tests.support.passing_time import elapse
from tests.support.processes import eventually
from tests.support.records.rows import add_run
from worker.kit.recorder import LostRun
from worker.recording.database import DbRecorder
from worker.recording.entries import Point, Released
from worker.recording.journal import Journal, path_of
from worker.recording.replay import replay
from worker.service.fetching import sweep, sweep_replaced

RUN = "aaaaaaaaaa"


@pytest.fixture
def artifacts(s3_settings: Settings) -> Path:
    return s3_settings.artifacts


@pytest.fixture
def attempt(engine: Engine) -> int:
    add_run(engine, RUN)
    return claimed(engine)


def claimed(engine: Engine) -> int:
    """The next attempt, as after the worker before it fell silent."""
    elapse(engine, lease.SECONDS + 1)
    with session_scope(engine) as session:
        queue.put_back_lost(session)
    with session_scope(engine) as session:
        claim = queue.claim(session, RUN, "host.1.1.1")
    assert claim is not None
    return claim.attempt


def saved(artifacts: Path, step: int, attempt: int = 1) -> Checkpoint:
    """A checkpoint in the artifacts folder."""
    end = f"-attempt-{attempt:04d}" if attempt > 1 else ""
    path = f"{RUN}/checkpoints/step-{step:09d}{end}"
    (artifacts / path).mkdir(parents=True)
    content = f"weights of {step}".encode()
    manifest = json.dumps({"sha256": {"ema.safetensors": sha256(content).hexdigest()}}).encode()
    (artifacts / path / "ema.safetensors").write_bytes(content)
    (artifacts / path / "manifest.json").write_bytes(manifest)
    return Checkpoint(step, path, sha256(manifest).hexdigest(), len(content))


def listed(engine: Engine) -> list[int]:
    with reading_scope(engine) as session:
        return [each.step for each in checkpoints.list(session, RUN)]


def steps(engine: Engine) -> list[int]:
    with reading_scope(engine) as session:
        curves = series.read(session, RUN, ["loss"])
    return curves["loss"].steps.tolist() if "loss" in curves else []


def test_a_store_that_hangs_holds_up_no_point_and_loses_no_checkpoint(
    engine: Engine, attempt: int, artifacts: Path, store: ObjectStore, s3_server: S3Server
) -> None:
    recorder = DbRecorder(engine, RUN, attempt, artifacts, objects=store)

    def remove(path: str) -> None:
        shutil.rmtree(artifacts / path, ignore_errors=True)  # it is told twice

    first, second, third = (saved(artifacts, step) for step in (1, 2, 3))
    with s3_server.paused():
        for checkpoint in (first, second, third):
            recorder.metrics(checkpoint.step, {"loss": 1.0})
            recorder.checkpoint(checkpoint)
        recorder.release([second.path], remove)
        recorder.metrics(4, {"loss": 1.0})
        recorder.flush()
        assert steps(engine) == [1, 2, 3, 4]
        assert listed(engine) == []
        assert path_of(artifacts / RUN, attempt).stat().st_size  # for who comes after a kill
        eventually(lambda: not (artifacts / second.path).exists(), "room on the disk")
    recorder.close()
    assert listed(engine) == [3, 1]
    assert store.published(RUN) == [first.path, third.path]
    assert not path_of(artifacts / RUN, attempt).exists()


def test_what_is_let_go_is_removed_from_the_store(
    engine: Engine, attempt: int, artifacts: Path, store: ObjectStore
) -> None:
    recorder = DbRecorder(engine, RUN, attempt, artifacts, objects=store)
    first, second = (saved(artifacts, step) for step in (1, 2))
    recorder.checkpoint(first)
    eventually(lambda: listed(engine) == [1], "the first checkpoint")
    recorder.checkpoint(second)
    recorder.release([first.path], lambda path: shutil.rmtree(artifacts / path))
    recorder.close()
    assert listed(engine) == [2]
    assert store.published() == [second.path]
    assert not (artifacts / first.path).exists()


def test_the_next_attempt_publishes_what_the_killed_one_had_saved(
    engine: Engine, attempt: int, artifacts: Path, store: ObjectStore
) -> None:
    kept, gone = saved(artifacts, 1), saved(artifacts, 2)
    shutil.rmtree(artifacts / gone.path)
    journal = Journal(artifacts / RUN, attempt)
    journal.keep([Point(1, 0.0, {"loss": 1.0}), kept])
    journal.keep([Point(2, 0.0, {"loss": 1.0}), gone, Released((gone.path,))])
    assert replay(engine, artifacts, RUN, claimed(engine), store) == 2
    assert (steps(engine), listed(engine), store.published()) == ([1, 2], [1], [kept.path])
    assert not path_of(artifacts / RUN, attempt).exists()


def test_what_a_run_did_not_go_on_from_is_not_listed(
    engine: Engine, attempt: int, artifacts: Path, store: ObjectStore, s3_settings: Settings
) -> None:
    """The host of the first attempt was away, and the second one has trained elsewhere."""
    late, zombie = saved(artifacts, 9), saved(artifacts, 10)
    Journal(artifacts / RUN, attempt).keep([late])
    second = claimed(engine)
    recorder = DbRecorder(engine, RUN, second, artifacts / "elsewhere", objects=store)
    newer = saved(artifacts / "elsewhere", 5, second)
    recorder.checkpoint(newer)
    recorder.close()

    cut_off = DbRecorder(engine, RUN, attempt, artifacts, objects=store)
    with pytest.raises(LostRun):  # noqa: PT012 — from whichever call comes after the first write
        cut_off.checkpoint(zombie)
        cut_off.close()
    store.publish(artifacts / zombie.path, zombie.path)
    sweep_replaced(engine, s3_settings, RUN, second)  # it was not
    assert store.published() == [newer.path, zombie.path]
    sweep_replaced(engine, s3_settings, RUN, attempt)  # as its worker does that hears of the second
    assert store.published() == [newer.path]
    store.publish(artifacts / zombie.path, zombie.path)

    third = claimed(engine)
    replay(engine, artifacts, RUN, third, store)
    assert listed(engine) == [5]
    sweep(engine, s3_settings, RUN, third)
    assert store.published() == [newer.path]
