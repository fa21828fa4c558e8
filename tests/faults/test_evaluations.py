"""An evaluation that is killed, shared or cancelled gives the table of one that nothing happened to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from backend.db.session import reading_scope, session_scope
from backend.domain.evaluation_request import EvaluationRequest
from backend.domain.records import TestOutcome
from backend.evaluation import outcomes as predictions
from backend.evaluation import service as evaluations
from backend.evaluation.views import EvaluationView
from backend.evaluation_page import traces
from backend.queue import dispatch
from backend.scores import job_queries as evaluation_jobs
from backend.scores import queries as rows
from backend.sequential import service as sequential
from tests.support.processes import PATIENCE, Lab, eventually, kill
from tests.support.records.tiny import tiny

pytestmark = pytest.mark.faults

# 8 tasks in batches that hold parts of one or two test inputs.
ASKED = EvaluationRequest(
    set="arc-agi-1/evaluation", first_tasks=8, that_fit=True, views=20, act_steps=12, batch_size=6,
    keep_candidates=20, trace_steps=True,
)  # fmt: skip
Table = dict[str, Any]


def request(lab: Lab, run_id: str, workers: int = 1) -> int:
    with session_scope(lab.engine) as session:
        view = evaluations.request(session, run_id, ASKED.model_copy(update={"workers": workers}))
    dispatch.send_evaluation(view.id, workers)
    return view.id


def view(lab: Lab, evaluation_id: int) -> EvaluationView:
    with reading_scope(lab.engine) as session:
        return evaluations.get(session, evaluation_id)


def table(lab: Lab, evaluation_id: int) -> Table:
    """Everything an evaluation found, to the last bit."""
    with reading_scope(lab.engine) as session:
        found = evaluations.get(session, evaluation_id)
        outcomes: tuple[TestOutcome, ...] = predictions.outcomes(session, evaluation_id)
        named = sorted((each.task_id, each.test_index) for each in outcomes)
        votes = [traces.votes(session, evaluation_id, *name).votes for name in named]
        steps = [traces.steps(session, evaluation_id, *name).steps for name in named]
    return {
        "outcomes": {(each.task_id, each.test_index): each for each in outcomes},
        "votes": votes,
        "steps": steps,
        "passes": found.passes,
        "curve": found.curve,
        "failure_modes": found.failure_modes,
    }


def finished(lab: Lab, evaluation_id: int) -> EvaluationView:
    def over() -> EvaluationView | None:
        found = view(lab, evaluation_id)
        if found.status == "failed":
            pytest.fail(f"{found.status_cause}\n{found.traceback}")
        return None if found.is_active else found

    found = eventually(over, f"the end of evaluation {evaluation_id} (worker: {lab.worker_log()[-2000:]})")
    assert found.status == "finished"
    return found


def children(evaluation_id: int) -> list[psutil.Process]:
    """Processes that compute shares of this evaluation."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        command = process.info["cmdline"] or []
        if (
            command[-3:-1] == ["worker.service.evaluate", str(evaluation_id)]
            and process.info["status"] != "zombie"
        ):
            found.append(process)
    return found


def midway(lab: Lab, evaluation_id: int, batches: int = 3) -> psutil.Process:
    """The process of a share, once so many batches are done."""
    eventually(lambda: view(lab, evaluation_id).progress.batches_done >= batches, f"{batches} batches")
    return children(evaluation_id)[0]


def at_work(lab: Lab, evaluation_id: int) -> psutil.Process | None:
    """The process of a share that has computed something: the other may still be loading."""
    workers = view(lab, evaluation_id).compute.workers
    pids = {int(each.worker_id.split(".")[2]) for each in workers if each.views}
    found = [each for each in children(evaluation_id) if pids & {parent.pid for parent in each.parents()}]
    return found[0] if found else None


def train(lab: Lab, seed: int = 0) -> str:
    """Id of a finished run that has a checkpoint."""
    config = tiny()
    training = config.training.model_copy(update={"steps": 4, "checkpoint_every": 4})
    run_id = lab.submit(config.model_copy(update={"training": training, "seed": seed}))
    lab.await_status(run_id, "finished")
    return run_id


@pytest.fixture(scope="module")
def trained(lab: Lab) -> str:
    return train(lab)


@pytest.fixture
def evaluated(lab: Lab, trained: str) -> Iterator[str]:
    """Id of a trained run; what a test has evaluated is forgotten after it, to be asked for again."""
    yield trained
    with session_scope(lab.engine) as session:
        for each in evaluation_jobs.newest(session, 10, None):
            session.delete(each)


@pytest.fixture(scope="module")
def expected(lab: Lab, trained: str) -> Table:
    """What an evaluation finds that nothing happens to."""
    evaluation_id = request(lab, trained)
    found = finished(lab, evaluation_id)
    whole = table(lab, evaluation_id)
    assert len(whole["outcomes"]) == found.progress.test_inputs == found.progress.scored
    assert found.progress.views_done == found.progress.views
    assert found.passes[0].n == 8
    assert found.compute.workers[0].views == found.progress.views
    with session_scope(lab.engine) as session:
        session.delete(rows.get(session, evaluation_id))
    return whole


def is_told_or_mended(found: EvaluationView) -> bool:
    """Whether the death is told, or the next process has already taken over and with it the word away."""
    return "killed (SIGKILL)" in found.status_cause or len(found.compute.workers) == 2


def test_killed_processes_leave_no_trace_in_the_table(lab: Lab, evaluated: str, expected: Table) -> None:
    evaluation_id = request(lab, evaluated)
    kill(midway(lab, evaluation_id))
    done = view(lab, evaluation_id).progress.batches_done
    eventually(lambda: is_told_or_mended(view(lab, evaluation_id)), "the cause")

    child = midway(lab, evaluation_id, done + 2)
    assert lab.worker
    assert lab.broker
    kill(child, lab.worker, lab.broker)
    lab.start_broker()
    lab.start_worker()

    found = finished(lab, evaluation_id)
    assert table(lab, evaluation_id) == expected
    assert len(found.compute.workers) == 3
    assert sum(each.views for each in found.compute.workers) == found.progress.views


def test_two_workers_share_an_evaluation(lab: Lab, evaluated: str, expected: Table, tmp_path: Path) -> None:
    other = second_worker(lab, tmp_path)
    try:
        evaluation_id = request(lab, evaluated, workers=2)
        first = eventually(lambda: at_work(lab, evaluation_id), "a share at work")
        os.kill(first.pid, signal.SIGSTOP)  # or it might be done before the other has loaded
        eventually(lambda: len(view(lab, evaluation_id).compute.workers) == 2, "two shares")
        eventually(
            lambda: all(each.views for each in view(lab, evaluation_id).compute.workers), "both at work"
        )
        os.kill(first.pid, signal.SIGCONT)
        found = finished(lab, evaluation_id)
    finally:
        kill(other)
    assert table(lab, evaluation_id) == expected
    assert sum(each.views for each in found.compute.workers) == found.progress.views


def second_worker(lab: Lab, folder: Path) -> subprocess.Popen[bytes]:
    """Another worker of the same lab, ready for work."""
    first, lab.worker = lab.worker, None
    lab.start_worker()
    other, lab.worker = lab.worker, first
    assert other
    eventually(lambda: lab.worker_log().count(" ready.") >= 2 or None, "a second worker")
    return other


def test_a_cancelled_evaluation_goes_on_where_it_was(lab: Lab, evaluated: str, expected: Table) -> None:
    evaluation_id = request(lab, evaluated)
    child = midway(lab, evaluation_id)
    with session_scope(lab.engine) as session:
        evaluations.cancel(session, evaluation_id)
    eventually(lambda: view(lab, evaluation_id).status == "cancelled", "the cancel")
    assert not child.is_running()
    before = view(lab, evaluation_id).progress
    assert before.batches
    assert before.batches_done < before.batches

    again = request(lab, evaluated)

    assert again == evaluation_id
    assert finished(lab, evaluation_id).compute.workers[0].views == before.views_done
    assert table(lab, evaluation_id) == expected


def test_a_sequential_comparison_takes_its_rounds_through_the_workers(lab: Lab, evaluated: str) -> None:
    """Two runs that solve nothing: after the last rung it is still undecided."""
    other = train(lab, seed=1)
    said = subprocess.run(
        [
            sys.executable, "-m", "backend.cli", "evaluation", "duel", evaluated, other,
            "--views", "2,4", "--set", "arc-agi-1/evaluation", "--first", "3",
        ],
        env=os.environ | lab.environment, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    lines = said.stdout.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["2 views", "4 views", "Undecided."]
    with reading_scope(lab.engine) as session:
        (found,) = sequential.find(session)
        rounds = [evaluations.get(session, each.evaluation_b) for each in found.rounds]
    assert (found.a, found.b, found.status) == (evaluated, other, "undecided")
    assert [(each.views, each.status, each.progress.scored) for each in rounds] == [
        (2, "finished", rounds[0].progress.test_inputs),
        (4, "finished", rounds[1].progress.test_inputs),
    ]
