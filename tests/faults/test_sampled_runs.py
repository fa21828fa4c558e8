"""What is sampled beside a real training: it outlives a kill as all points do."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from backend.db.session import reading_scope
from backend.domain.metrics.system import DISK_FREE, MACHINE_MEMORY, PROCESS_CPU, PROCESS_MEMORY
from backend.workers import service as workers
from tests.faults.conftest import started
from tests.support.databases import SqliteFiles
from tests.support.processes import eventually, kill
from tests.support.records.tiny import CHECKPOINT_EVERY, STEPS, tiny

pytestmark = pytest.mark.faults

SAMPLED = {PROCESS_CPU, PROCESS_MEMORY, MACHINE_MEMORY, DISK_FREE}
MID = 2 * CHECKPOINT_EVERY + 5  # a step with two checkpoints behind it


def test_a_killed_run_has_one_sample_a_step_of_both_attempts(
    tmp_path: Path, sqlite_files: SqliteFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ETRM_SYSTEM_METRICS_EVERY", "0.02")
    with started(tmp_path, sqlite_files.new()) as lab:
        run_id = lab.submit(tiny())
        child = lab.await_child(run_id)
        lab.await_step(run_id, MID)
        eventually(lambda: lab.points(run_id).keys() >= SAMPLED, "samples")
        before = lab.points(run_id)
        kill(child)
        row = lab.await_status(run_id, "finished")
        points = lab.points(run_id)  # which fails where a step has two
        with reading_scope(lab.engine) as session:
            [worker] = workers.listed(session)
    assert (row.attempt, row.step) == (2, STEPS)
    assert list(points["loss"]) == list(range(1, STEPS + 1))
    for name in SAMPLED:
        assert before[name].keys() <= points[name].keys() <= set(range(STEPS + 1))
        assert max(points[name]) > MID
    assert all(0 <= value <= 1 for value in points[PROCESS_CPU].values())
    assert max(points[PROCESS_CPU].values()) > 0.05
    assert all(2**26 < value < psutil.virtual_memory().total for value in points[PROCESS_MEMORY].values())
    assert worker.utilisation is not None
    assert worker.memory_used is not None
    assert 0 <= worker.utilisation <= 1
    assert 0 < worker.memory_used < worker.memory_bytes
