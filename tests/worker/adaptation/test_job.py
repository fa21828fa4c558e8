"""An adapting evaluation as a job: batch by batch through the database, to a score with its cost."""

from __future__ import annotations

import json
from pathlib import Path

from backend.data import service as datasets
from backend.db.session import make_engine, reading_scope, session_scope
from backend.domain.evaluation_request import EvaluationRequest
from backend.domain.records import Checkpoint
from backend.evaluation import jobs as evaluation_queue
from backend.evaluation import service as evaluations
from backend.evaluation_page import traces
from backend.runs import checkpoints
from backend.runs.status import RunStatus
from backend.settings import Settings
from tests.support.records.rows import add_run
from tests.support.records.tiny_runs import tiny
from worker.data.sets import BuiltinTasks
from worker.kit.recorder import NullRecorder
from worker.service.evaluate import _Work
from worker.training.stop import StopSignal
from worker.training.trainer import train

RUN = "aaaaaaaaaa"
PAIR = {"input": [[1, 2]], "output": [[2, 1]]}
SHORT = {"steps": 3, "batch_size": 2, "augmentations": 1}


def test_a_job_adapts_to_each_task_and_tells_what_it_took(sqlite_url: str, tmp_path: Path) -> None:
    config = tiny("trm", 10)
    train(config, BuiltinTasks(), NullRecorder(), tmp_path / RUN, StopSignal())
    engine = make_engine(sqlite_url)
    add_run(engine, RUN, config=config.model_dump(mode="json"), status=RunStatus.FINISHED)
    tasks = {name: {"train": [PAIR, PAIR], "test": [PAIR, PAIR]} for name in ("one", "two")}
    asked = EvaluationRequest(set="mine", views=4, batch_size=1, adaptation={"kind": "embedding", **SHORT})
    with session_scope(engine) as session:
        datasets.import_files(session, "mine", [(json.dumps(tasks).encode(), "mine.json")])
        checkpoints.add(session, RUN, Checkpoint(config.training.steps, f"{RUN}/10", "0", 1))
        view = evaluations.request(session, RUN, asked)
        share = evaluation_queue.claim(session, view.id, "w1")
    assert share
    _Work(engine, Settings(artifacts=tmp_path), share, StopSignal()).to_the_end()
    with reading_scope(engine) as session:
        found = evaluations.get(session, view.id)
        trace = traces.adaptation(session, view.id, "two", 1)
    assert found.status == "finished"
    assert found.progress.batches == 8  # 2 tasks of 2 test inputs, whose two learned forms vote
    assert (found.compute.adapted_tasks, found.compute.adaptation_decodes) == (2, 2 * 3 * 3 * 2)
    assert found.compute.adaptation_seconds
    assert (trace.steps, trace.decodes) == (3, 18)
    engine.dispose()
