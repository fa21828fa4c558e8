"""Contexts of a run: kept once, few of a long run, gone with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine, func, select

from backend.db.session import reading_scope, session_scope
from backend.domain.snapshots import Snapshot
from backend.kit.errors import NotFound
from backend.lifecycle import service as runs
from backend.queue import claims as queue
from backend.snapshots import service as snapshots
from backend.snapshots.service import MAX_SNAPSHOTS, Shape
from backend.snapshots.tables import ContextSnapshot
from tests.support.records.contexts import TASKS, TOKENS, WIDTH, contexts, snapshot
from tests.support.records.rows import add_run
from worker.recording.journal import Journal
from worker.recording.replay import replay
from worker.recording.store import Store

RUN = "aaaaaaaaaa"


@pytest.fixture(autouse=True)
def _run(engine: Engine) -> None:
    add_run(engine, RUN, status="finished")


def append(engine: Engine, *taken: Snapshot) -> None:
    with session_scope(engine) as session:
        snapshots.append(session, RUN, taken)


def shapes(engine: Engine, run_id: str = RUN) -> list[Shape]:
    with reading_scope(engine) as session:
        return snapshots.shapes(session, [run_id])[run_id]


def test_what_was_kept_is_read_to_the_precision_of_float16(engine: Engine) -> None:
    made = 40.0 * contexts(1, 0.3)
    append(engine, snapshot(100, made), snapshot(200, 1e-4 * made))
    with reading_scope(engine) as session:
        tasks, numbers = snapshots.contexts(session, RUN, 100)
        _, small = snapshots.contexts(session, RUN, 200)
    assert [each.task_id for each in tasks] == list(TASKS)
    assert numbers.shape == (len(TASKS), 2, TOKENS, WIDTH)
    assert np.allclose(numbers.reshape(made.shape), made, rtol=1e-3, atol=1e-3 * np.abs(made).max())
    assert np.allclose(small, 1e-4 * numbers, rtol=1e-3, atol=1e-7 * np.abs(made).max())


def test_distances_are_read_without_the_contexts(engine: Engine) -> None:
    made = contexts(1, 0.3)
    append(engine, snapshot(100, made))
    (shape,) = shapes(engine)
    flat = made.reshape(-1, made.shape[-1])
    wanted = np.linalg.norm(flat[:, None] - flat[None], axis=-1) / np.sqrt(np.square(flat).sum(1).mean())
    found = np.linalg.norm(shape.coordinates[:, None] - shape.coordinates[None], axis=-1)
    assert np.allclose(found, wanted, atol=2e-3)


def test_the_last_of_one_step_counts(engine: Engine) -> None:
    append(engine, snapshot(100, contexts(1, 0.3)))
    append(engine, snapshot(100, contexts(1, 0.01)))
    (shape,) = shapes(engine)
    assert shape.spread < 0.001


def test_a_long_run_keeps_few_and_the_first_and_the_last(engine: Engine) -> None:
    for step in range(100, 20_001, 100):
        append(engine, snapshot(step, contexts(1, 0.3)))
    steps = [shape.step for shape in shapes(engine)]
    assert MAX_SNAPSHOTS / 4 < len(steps) <= MAX_SNAPSHOTS
    assert (steps[0], steps[-1]) == (100, 20_000)


def test_large_contexts_are_fewer(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    size = len(snapshot(0, contexts(1, 0.3)).contexts)
    monkeypatch.setattr(snapshots, "MAX_BYTES", 10 * size)
    for step in range(100, 5001, 100):
        append(engine, snapshot(step, contexts(1, 0.3)))
    assert 4 <= len(shapes(engine)) <= 10
    with reading_scope(engine) as session:
        assert snapshots.bytes_of_runs(session) == {RUN: size * len(shapes(engine))}


def test_a_step_without_contexts_is_told_with_the_nearest(engine: Engine) -> None:
    append(engine, *(snapshot(step, contexts(1, 0.3)) for step in (100, 200, 300, 400)))
    with reading_scope(engine) as session, pytest.raises(NotFound, match="step 250") as refused:
        snapshots.contexts(session, RUN, 250)
    assert refused.value.hint == "Nearest: 100, 200, 300."


def test_they_go_with_the_run(engine: Engine) -> None:
    append(engine, snapshot(100, contexts(1, 0.3)))
    with session_scope(engine) as session:
        runs.delete(session, RUN)
    with reading_scope(engine) as session:
        assert session.scalar(select(func.count()).select_from(ContextSnapshot)) == 0


def test_a_killed_workers_contexts_are_stored_once(engine: Engine, tmp_path: Path) -> None:
    """Of two batches in its journal the first was stored, and nobody heard of it."""
    worked_on = add_run(engine, "bbbbbbbbbb")
    with session_scope(engine) as session:
        claim = queue.claim(session, worked_on, "host.1.1.1")
    assert claim is not None
    first, second = (snapshot(step, contexts(1, 0.3)) for step in (100, 200))
    journal = Journal(tmp_path / worked_on, claim.attempt)
    number = journal.keep([first])
    Store(engine, tmp_path, worked_on, claim.attempt).write([first], number)
    journal.keep([second])
    assert replay(engine, tmp_path, worked_on, claim.attempt) == 2
    assert [shape.step for shape in shapes(engine, worked_on)] == [100, 200]
