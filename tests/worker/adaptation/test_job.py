"""An adapting evaluation as a job: batch by batch through the database, to a score with its cost."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from backend.data import service as datasets
from backend.db.session import make_engine, reading_scope, session_scope
from backend.domain.evaluation_request import EvaluationRequest
from backend.domain.records import Checkpoint
from backend.evaluation import jobs as evaluation_queue
from backend.evaluation import service as evaluations
from backend.evaluation.jobs import Share
from backend.evaluation_page import traces
from backend.runs import checkpoints
from backend.runs.status import RunStatus
from backend.scores.tables import EvaluationBatch
from backend.settings import Settings
from tests.support.processes import eventually
from tests.support.records.rows import add_run
from tests.support.records.tiny_runs import tiny
from worker.data.sets import BuiltinTasks
from worker.kit.recorder import NullRecorder
from worker.service.evaluate import _Work
from worker.training.stop import StopSignal
from worker.training.trainer import train

RUN = "aaaaaaaaaa"
PAIR = {"input": [[1, 2]], "output": [[2, 1]]}
LONG = {"steps": 3_000, "batch_size": 2, "augmentations": 1}
SHORT = {"steps": 3, "batch_size": 2, "augmentations": 1}


@pytest.fixture
def trained(sqlite_url: str, tmp_path: Path) -> Iterator[Engine]:
    """A database with a run that has a checkpoint, and a set of two tasks."""
    config = tiny("trm", 10)
    train(config, BuiltinTasks(), NullRecorder(), tmp_path / RUN, StopSignal())
    engine = make_engine(sqlite_url)
    add_run(engine, RUN, config=config.model_dump(mode="json"), status=RunStatus.FINISHED)
    tasks = {name: {"train": [PAIR, PAIR], "test": [PAIR, PAIR]} for name in ("one", "two")}
    with session_scope(engine) as session:
        datasets.import_files(session, "mine", [(json.dumps(tasks).encode(), "mine.json")])
        checkpoints.add(session, RUN, Checkpoint(config.training.steps, f"{RUN}/10", "0", 1))
    yield engine
    engine.dispose()


def requested(engine: Engine, learning: dict[str, Any]) -> int:
    """The id of an evaluation that adapts to each of the tasks."""
    asked = EvaluationRequest(set="mine", views=4, batch_size=1, adaptation={"kind": "embedding", **learning})
    with session_scope(engine) as session:
        return evaluations.request(session, RUN, asked).id


def share_of(engine: Engine, evaluation_id: int) -> Share:
    with session_scope(engine) as session:
        share = evaluation_queue.claim(session, evaluation_id, "w1")
    assert share
    return share


def test_a_job_adapts_to_each_task_and_tells_what_it_took(trained: Engine, tmp_path: Path) -> None:
    evaluation_id = requested(trained, SHORT)
    share = share_of(trained, evaluation_id)
    _Work(trained, Settings(artifacts=tmp_path), share, StopSignal()).to_the_end()
    with reading_scope(trained) as session:
        found = evaluations.get(session, evaluation_id)
        trace = traces.adaptation(session, evaluation_id, "two", 1)
    assert found.status == "finished"
    assert found.progress.batches == 8  # 2 tasks of 2 test inputs, whose two learned forms vote
    assert (found.compute.adapted_tasks, found.compute.adaptation_decodes) == (2, 2 * 3 * 3 * 2)
    assert found.compute.adaptation_seconds
    assert (trace.steps, trace.decodes) == (3, 18)


def test_a_job_that_is_told_to_stop_leaves_the_task_that_it_is_learning_to_others(
    trained: Engine, tmp_path: Path
) -> None:
    evaluation_id, stop = requested(trained, LONG), StopSignal()
    share = share_of(trained, evaluation_id)

    def is_taken() -> bool:
        with reading_scope(trained) as session:
            return bool(session.scalar(select(EvaluationBatch.number)) is not None)

    def stop_it() -> None:
        eventually(is_taken, "the first batch")
        stop.request()

    watcher = threading.Thread(target=stop_it)
    watcher.start()
    _Work(trained, Settings(artifacts=tmp_path), share, stop).to_the_end()
    watcher.join()
    with session_scope(trained) as session:
        assert evaluations.get(session, evaluation_id).progress.batches_done == 0
        evaluation_queue.release(session, share, "told to stop")
    other = share_of(trained, evaluation_id)
    with session_scope(trained) as session:
        assert evaluation_queue.take(session, other) == 0
