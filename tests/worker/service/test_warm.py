"""The process that answers plays, without its worker: which checkpoints it keeps in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from backend.db.session import make_engine, reading_scope, session_scope
from backend.domain.play import parse_play
from backend.domain.records import Checkpoint
from backend.playground import claims
from backend.playground import service as plays
from backend.playground.views import PlayView
from backend.runs import checkpoints
from backend.runs.status import RunStatus
from backend.settings import Settings
from tests.support.records.rows import add_run
from tests.support.records.tiny_runs import tiny
from worker.data.sets import BuiltinTasks
from worker.kit.recorder import NullRecorder
from worker.service import warm
from worker.training.stop import StopSignal
from worker.training.trainer import train

RUN = "aaaaaaaaaa"
PAIR = {"input": [[1, 2]], "output": [[2, 1]]}
TASK = {"train": [PAIR, PAIR], "test": [PAIR]}


@pytest.fixture
def engine(sqlite_url: str, tmp_path: Path) -> Engine:
    """A database with a run that has a checkpoint."""
    config = tiny("etrm", 10)
    train(config, BuiltinTasks(), NullRecorder(), tmp_path / RUN, StopSignal())
    engine = make_engine(sqlite_url)
    add_run(engine, RUN, config=config.model_dump(mode="json"), status=RunStatus.FINISHED)
    with session_scope(engine) as session:
        checkpoints.add(session, RUN, Checkpoint(config.training.steps, f"{RUN}/10", "0", 1))
    return engine


def answered(engine: Engine, server: warm.Server, **changes: Any) -> PlayView:
    """A play that the server has answered."""
    with session_scope(engine) as session:
        asked = parse_play({"task": TASK, "run": RUN, "views": 1, **changes})
        play_id = plays.ask(session, asked).id
        held = claims.claim(session, "host.1.2.3")
    assert held
    server.answer(held, "cpu", 0.0)
    found = view(engine, play_id)
    assert found.status == "finished", found.status_cause
    return found


def view(engine: Engine, play_id: str) -> PlayView:
    with reading_scope(engine) as session:
        return plays.get(session, play_id)


def test_a_play_whose_checkpoint_makes_room_does_not_wait_for_its_neighbours(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = warm.Server(engine, Settings(artifacts=tmp_path))
    first = answered(engine, server)
    assert first.neighbours is None
    assert answered(engine, server).load_seconds == 0
    monkeypatch.setattr(warm, "MEMORY_FRACTION", 10**9)  # of the memory nothing is left
    second = answered(engine, server, weights="raw")
    found = view(engine, first.id)
    assert found.is_over
    assert found.neighbours is not None
    assert "left the worker's memory" in found.neighbours.why_none
    assert second.neighbours is None  # its own checkpoint is there
    assert answered(engine, server).load_seconds
