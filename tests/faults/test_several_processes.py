"""A run whose batches several processes share: it is one run to everyone else, also when one of them dies."""

from __future__ import annotations

import psutil
import pytest

from backend.domain.experiment import ExperimentConfig
from tests.support.processes import Lab, eventually, kill
from tests.support.records.tiny import CHECKPOINT_EVERY, tiny

pytestmark = pytest.mark.faults

STEPS = 50  # each of them waits for both processes


def shared() -> ExperimentConfig:
    config = tiny()
    return config.model_copy(
        update={"training": config.training.model_copy(update={"processes": 2, "steps": STEPS})}
    )


def hopeless_at(step: int) -> ExperimentConfig:
    """Shared by two processes; its stop rule holds at the first point from `step` on."""
    stop = {
        "kind": "hopeless",
        "measure": "loss",
        "comparison": ">",
        "value": 0.0,
        "after_step": step,
    }
    hypothesis = {
        "kind": "bar",
        "claim": "It works.",
        "measure": "accuracy/token",
        "value": 0.5,
        "stop": stop,
    }
    return ExperimentConfig.model_validate({**shared().model_dump(), "hypothesis": hypothesis})


def processes_of(run_id: str) -> list[psutil.Process]:
    """Those that train the run: their command is the run's module, started by torchrun."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        command = process.info["cmdline"] or []
        trains = command[-4:-2] == ["-m", "worker.service.train"] and "torch.distributed.run" not in command
        if trains and run_id in command and process.info["status"] != "zombie":
            found.append(process)
    return found


def both(run_id: str) -> list[psutil.Process]:
    found = processes_of(run_id)
    return found if len(found) == 2 else []


def test_a_process_of_several_dies_with_the_others_and_the_run_goes_on_until_its_stop_rule_ends_all(
    lab: Lab,
) -> None:
    end = 4 * CHECKPOINT_EVERY + 2
    run_id = lab.submit(hopeless_at(end))
    lab.await_step(run_id, 2 * CHECKPOINT_EVERY + 5)
    first, second = both(run_id)
    acknowledged = lab.points(run_id)
    kill(second)

    eventually(lambda: not first.is_running(), "the end of the other process")
    eventually(lambda: "killed (SIGKILL)" in lab.row(run_id).status_cause, "the cause")
    row = lab.await_status(run_id, "finished")
    points = lab.points(run_id)["loss"]
    assert acknowledged["loss"].items() <= points.items()
    assert list(points) == list(range(1, end + 1))
    assert f"stopped at step {end} by its stop rule" in row.status_cause
    assert not processes_of(run_id)


def test_a_run_of_several_processes_is_cancelled_as_a_whole(lab: Lab) -> None:
    run_id = lab.submit(shared())
    lab.await_step(run_id, CHECKPOINT_EVERY)
    started = both(run_id)
    lab.cancel(run_id)
    lab.await_status(run_id, "cancelled")
    assert not any(process.is_running() for process in started)


def test_a_killed_worker_takes_every_process_with_it_and_its_successor_goes_on(lab: Lab) -> None:
    run_id = lab.submit(shared())
    lab.await_step(run_id, CHECKPOINT_EVERY + 5)
    started = both(run_id)
    assert lab.worker
    kill(lab.worker)
    eventually(lambda: not any(process.is_running() for process in started), "the death of both")
    lab.start_worker()
    lab.await_status(run_id, "finished")
    assert list(lab.points(run_id)["loss"]) == list(range(1, STEPS + 1))
