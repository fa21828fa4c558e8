"""What a researcher sees when processes die: the run resumes, its curve has no gap, no duplicate, no loss."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping

import psutil
import pytest

from backend.db.session import reading_scope
from backend.evaluation import outcomes as predictions
from backend.queue import dispatch
from backend.runs import checkpoints
from backend.workers import service as workers
from tests.support.processes import PATIENCE, Lab, eventually, kill
from tests.support.records.tiny import CHECKPOINT_EVERY, STEPS, numbers, tiny

pytestmark = pytest.mark.faults

Curves = Mapping[str, dict[int, float]]
MID = 2 * CHECKPOINT_EVERY + 5  # a step with two checkpoints behind it


@pytest.fixture
def midway(lab: Lab) -> tuple[str, psutil.Process]:
    """A run between two checkpoints, and its training process."""
    run_id = lab.submit(tiny())
    child = lab.await_child(run_id)
    lab.await_step(run_id, MID)
    return run_id, child


def assert_goes_on_as_if_nothing_had_happened(
    lab: Lab, run_id: str, acknowledged: Curves, expected: Curves
) -> None:
    """It finishes from a checkpoint, with every acknowledged point and the numbers of an undisturbed run."""
    lab.await_status(run_id, "finished")
    assert "Resuming from the checkpoint of step" in lab.log_text(run_id)
    points = numbers(lab.points(run_id))
    for name, curve in numbers(acknowledged).items():
        assert curve.items() <= points[name].items(), f"{name} lost acknowledged points"
    assert list(points["loss"]) == list(range(1, STEPS + 1))
    assert points == expected


def test_a_run_goes_through_the_real_queue_and_is_evaluated(lab: Lab, undisturbed: str) -> None:
    row = lab.row(undisturbed)
    assert (row.status_cause, row.attempt, row.phase, row.step) == ("", 1, "evaluating", STEPS)
    assert lab.event_kinds(undisturbed) == ["queued", "claimed", "finished"]
    assert list(lab.points(undisturbed)["loss"]) == list(range(1, STEPS + 1))
    with reading_scope(lab.engine) as session:
        [evaluation] = predictions.evaluations(session, undisturbed)
        kept = checkpoints.list(session, undisturbed)
    assert (evaluation.status, evaluation.passes[1].n) == ("finished", 2)
    assert kept[0].step == STEPS
    assert len(kept) == tiny().training.keep_checkpoints
    assert all((lab.artifacts / each.path).is_dir() for each in kept)


def test_duplicate_messages_do_nothing(lab: Lab, undisturbed: str) -> None:
    before = lab.worker_log().count("succeeded")
    for _ in range(3):
        assert dispatch.send(undisturbed)
    eventually(lambda: lab.worker_log().count("succeeded") >= before + 3, "three messages taken")
    assert lab.row(undisturbed).attempt == 1
    assert lab.event_kinds(undisturbed) == ["queued", "claimed", "finished"]


def test_a_killed_training_says_so_and_goes_on(
    lab: Lab, midway: tuple[str, psutil.Process], expected: Curves
) -> None:
    run_id, child = midway
    for _ in range(3):
        dispatch.send(run_id)  # duplicates while it runs do nothing either
    acknowledged = lab.points(run_id)
    kill(child)

    eventually(lambda: "killed (SIGKILL)" in lab.row(run_id).status_cause, "the cause")
    assert "resumes from step" in lab.row(run_id).status_cause

    assert_goes_on_as_if_nothing_had_happened(lab, run_id, acknowledged, expected)
    assert lab.row(run_id).attempt == 2
    assert lab.event_kinds(run_id) == ["queued", "claimed", "interrupted", "claimed", "finished"]


def test_a_killed_worker_takes_its_training_with_it_and_its_successor_goes_on_at_once(
    lab: Lab, midway: tuple[str, psutil.Process], expected: Curves
) -> None:
    run_id, child = midway
    acknowledged = lab.points(run_id)
    assert lab.worker
    kill(lab.worker)
    eventually(lambda: not child.is_running(), "the death of the training")
    assert lab.row(run_id).status == "running"  # nobody is left to say otherwise

    lab.start_worker()

    eventually(lambda: "died; resumes from step" in lab.row(run_id).status_cause, "the cause")
    assert_goes_on_as_if_nothing_had_happened(lab, run_id, acknowledged, expected)
    with reading_scope(lab.engine) as session:
        assert [worker.pid for worker in workers.listed(session)] == [lab.worker.pid]


def test_everything_killed_at_once_goes_on_with_an_empty_broker_and_what_was_queued_is_not_lost(
    lab: Lab, midway: tuple[str, psutil.Process], expected: Curves
) -> None:
    run_id, child = midway
    waiting = lab.submit(tiny())
    acknowledged = lab.points(run_id)
    assert lab.worker
    assert lab.broker
    kill(child, lab.worker, lab.broker)
    submitted_meanwhile = lab.submit(tiny())

    lab.start_broker()
    lab.start_worker()

    assert_goes_on_as_if_nothing_had_happened(lab, run_id, acknowledged, expected)
    for each in (waiting, submitted_meanwhile):
        lab.await_status(each, "running")
        cancel_and_wait(lab, each)


def cancel_and_wait(lab: Lab, run_id: str) -> None:
    lab.cancel(run_id)
    lab.await_status(run_id, "cancelled")


def test_a_run_is_cancelled_only_when_its_process_is_gone(
    lab: Lab, midway: tuple[str, psutil.Process]
) -> None:
    run_id, child = midway
    lab.cancel(run_id)
    assert lab.row(run_id).status == "cancelling"
    lab.await_status(run_id, "cancelled")
    assert not child.is_running()
    row = lab.row(run_id)
    assert (row.status_cause, row.cancel_requested) == ("cancelled by the user", False)
    assert row.finished_at is not None
    with reading_scope(lab.engine) as session:
        kept = checkpoints.latest(session, run_id)
    assert kept is not None
    assert kept.step >= MID  # it was asked to save before it left


def test_a_crash_gives_the_run_its_cause_and_traceback(lab: Lab) -> None:
    data = tiny().data.model_dump(mode="json") | {"training_sets": ["no/such-set"]}
    run_id = lab.submit(tiny(), data=data)
    row = lab.await_status(run_id, "failed")
    assert "no/such-set" in row.status_cause
    assert "Traceback" not in row.status_cause
    assert row.traceback.startswith("Traceback")
    assert "no/such-set" in lab.log_text(run_id)


def test_a_stored_config_that_is_no_config_any_more_fails_with_the_field_named(lab: Lab) -> None:
    run_id = lab.submit(tiny(), optimizer="sgd")
    row = lab.await_status(run_id, "failed")
    assert "optimizer" in row.status_cause


def test_a_worker_that_is_told_to_stop_saves_its_run_puts_it_back_and_leaves_nothing(
    lab: Lab, midway: tuple[str, psutil.Process], expected: Curves
) -> None:
    run_id, child = midway
    acknowledged = lab.points(run_id)
    assert lab.worker
    os.kill(lab.worker.pid, signal.SIGTERM)

    assert lab.worker.wait(timeout=PATIENCE) == 0

    assert not child.is_running()
    row = lab.row(run_id)
    assert row.status == "queued"
    assert row.status_cause.startswith("the worker was stopped; resumes from step")
    assert int(row.status_cause.split()[-1]) >= MID
    with reading_scope(lab.engine) as session:
        assert workers.listed(session) == []

    lab.start_worker()
    assert_goes_on_as_if_nothing_had_happened(lab, run_id, acknowledged, expected)


def test_a_broker_that_dies_alone_disturbs_no_training_and_the_worker_comes_back_to_it(
    lab: Lab, midway: tuple[str, psutil.Process]
) -> None:
    run_id, child = midway
    assert lab.broker
    kill(lab.broker)
    next_run = lab.submit(tiny())
    lab.await_step(run_id, lab.row(run_id).step + CHECKPOINT_EVERY)
    lab.start_broker()

    assert lab.row(run_id).attempt == 1
    assert child.is_running()
    cancel_and_wait(lab, run_id)
    lab.await_status(next_run, "running")
    cancel_and_wait(lab, next_run)
