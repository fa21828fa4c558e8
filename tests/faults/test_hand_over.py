"""What a worker puts back when it is told to stop goes to an idle worker at once, not at the next sweep."""

from __future__ import annotations

import os
import signal

import pytest

from backend.db.session import reading_scope
from backend.runs import events
from backend.workers import service as workers
from tests.support.processes import PATIENCE, Lab, eventually, kill
from tests.support.records.tiny import CHECKPOINT_EVERY, tiny
from worker.service.heartbeat import EVERY

pytestmark = pytest.mark.faults


def heartbeats(lab: Lab) -> dict[int, float]:
    """Process -> its last heartbeat, by the database's clock."""
    with reading_scope(lab.engine) as session:
        return {each.pid: each.heartbeat_at for each in workers.listed(session)}


def event_times(lab: Lab, run_id: str, kind: str) -> list[float]:
    with reading_scope(lab.engine) as session:
        return [each.wall_time for each in events.list(session, run_id) if each.kind == kind]


def hand_over(lab: Lab) -> float:
    """Stop the worker of a run while another one is idle and has just swept; seconds from the run's release
    to its next claim."""
    config = tiny()
    longer = config.model_copy(update={"training": config.training.model_copy(update={"steps": 100_000})})
    run_id = lab.submit(longer)
    lab.await_step(run_id, CHECKPOINT_EVERY)
    first = lab.worker
    assert first
    before = heartbeats(lab)[first.pid]
    eventually(lambda: heartbeats(lab)[first.pid] > before, "its next heartbeat")
    lab.start_worker()
    second = lab.worker
    assert second
    try:
        began = eventually(lambda: heartbeats(lab).get(second.pid), "the second worker")
        # The first one swept when the second one started, and that one just now: for seconds there is no
        # sweep that could hide a hand-over that waits for one.
        eventually(lambda: heartbeats(lab)[second.pid] > began, "its next heartbeat", every=0.02)
        os.kill(first.pid, signal.SIGTERM)
        [_, claimed] = eventually(
            lambda: found if len(found := event_times(lab, run_id, "claimed")) == 2 else None, "a claim"
        )
        assert first.wait(timeout=PATIENCE) == 0
        [released] = event_times(lab, run_id, "released")
        assert lab.event_kinds(run_id)[:4] == ["queued", "claimed", "released", "claimed"]
        lab.cancel(run_id)
        lab.await_status(run_id, "cancelled")
    finally:
        if first.poll() is None:
            kill(first)
    return claimed - released


def test_a_drained_worker_hands_its_run_to_an_idle_one_at_once(lab: Lab) -> None:
    assert hand_over(lab) < EVERY / 4


def test_so_it_does_on_postgresql(postgres_lab: Lab) -> None:
    assert hand_over(postgres_lab) < EVERY / 4
