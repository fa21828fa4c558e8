"""Runs that are cancelled at every stage of their life."""

from __future__ import annotations

from backend.runs.status import RunStatus
from tests.faults.long.registry import Course, Missed, fault
from tests.faults.long.trial import API, EVALUATING, POLL, Trial
from tests.support.processes import eventually
from tests.support.records.tiny import STEPS

PROMISE = "cancelled by the user, no process left; what was recorded stays"


@fault("cancel-queued", "cancel while queued", PROMISE)
def cancel_queued(trial: Trial) -> Course:
    before = trial.submit()
    run_id = trial.submit()
    eventually(lambda: trial.lab.row(before).status == RunStatus.RUNNING, "the run before it")
    trial.pause()
    yield from _cancelled(trial, run_id)


@fault("cancel-starting", "cancel while starting", PROMISE)
def cancel_starting(trial: Trial) -> Course:
    run_id = trial.submit()
    eventually(lambda: trial.lab.row(run_id).status == RunStatus.RUNNING, "the claim", every=POLL)
    trial.pause(2.0)
    yield from _cancelled(trial, run_id)


@fault("cancel-training", "cancel while training", PROMISE)
def cancel_training(trial: Trial) -> Course:
    run_id = trial.midway(last=STEPS)
    yield from _cancelled(trial, run_id)


@fault("cancel-evaluating", "cancel while evaluating", PROMISE)
def cancel_evaluating(trial: Trial) -> Course:
    run_id = trial.submit()

    def evaluating() -> bool:
        row = trial.lab.row(run_id)
        if RunStatus(row.status).is_over:
            raise Missed("its evaluation was over")
        return row.phase == EVALUATING

    eventually(evaluating, "its evaluation", every=POLL)
    yield from _cancelled(trial, run_id)


def _cancelled(trial: Trial, run_id: str) -> Course:
    with trial.lab.client() as client:
        answer = client.post(f"{API}/{run_id}/cancel")
    if answer.status_code == 409:
        raise Missed(answer.text)
    assert answer.is_success, answer.text
    trial.ends_as(run_id, RunStatus.CANCELLED)
    yield
    row = trial.lab.row(run_id)
    if row.status_cause != "cancelled by the user":
        trial.findings.append(f"the cause of the cancelled run is {row.status_cause!r}")
    if trial.lab.child(run_id):
        trial.findings.append(f"run {run_id} is cancelled and its process lives")
