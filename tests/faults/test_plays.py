"""Plays on a real worker: answered beside a training, as an evaluation would, and whatever is killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from backend.data import service as datasets
from backend.db.session import reading_scope, session_scope
from backend.domain.evaluation_request import EvaluationRequest
from backend.domain.play import BetweenRequest, json_of, parse_play
from backend.evaluation import outcomes as predictions
from backend.evaluation import service as evaluations
from backend.evaluation.views import EvaluationView
from backend.playground import service as plays
from backend.playground.views import PlayView
from backend.queue import dispatch
from tests.support.processes import Lab, eventually, kill
from tests.support.records.tiny import tiny

pytestmark = pytest.mark.faults

LONG = {"kind": "all", "steps": 100_000}  # a test-time training of many minutes
LONG_SEARCH = {"kind": "gradient", "steps": 10_000, "starts": 8}
SET, TASK_ID, OTHER_ID = "arc-agi-1/training", "007bbfb7", "0520fde7"


@pytest.fixture(scope="module")
def trained(lab: Lab) -> str:
    """Id of a finished run that has a checkpoint."""
    config = tiny()
    training = config.training.model_copy(update={"steps": 4, "checkpoint_every": 4})
    run_id = lab.submit(config.model_copy(update={"training": training}))
    lab.await_status(run_id, "finished")
    return run_id


def ask(lab: Lab, run_id: str, **changes: Any) -> str:
    with session_scope(lab.engine) as session:
        task = json_of(datasets.task(session, SET, TASK_ID))
        view = plays.ask(session, parse_play({"task": task, "name": TASK_ID, "run": run_id, **changes}))
    dispatch.send_play(view.id)
    return view.id


def view(lab: Lab, play_id: str) -> PlayView:
    with reading_scope(lab.engine) as session:
        return plays.get(session, play_id)


def answered(lab: Lab, play_id: str) -> PlayView:
    def over() -> PlayView | None:
        found = view(lab, play_id)
        if found.status == "failed":
            console = lab.artifacts / "playground.console.txt"
            pytest.fail(f"{found.status_cause}\n{console.read_text()}")
        return found if found.status == "finished" else None

    return eventually(over, f"the answer to play {play_id} (worker: {lab.worker_log()[-2000:]})")


def warm(lab: Lab) -> list[psutil.Process]:
    """The process of this lab's worker that keeps checkpoints in memory, if it lives."""
    assert lab.worker is not None
    return [
        process
        for process in psutil.Process(lab.worker.pid).children(recursive=True)
        if process.cmdline()[-1:] == ["worker.service.warm"]
    ]


def has_ended(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_a_play_is_answered_as_an_evaluation_would(lab: Lab, trained: str) -> None:
    found = answered(lab, ask(lab, trained, views=6))
    asked = EvaluationRequest(set=SET, tasks=(TASK_ID,), views=6, trace_steps=True, keep_candidates=8)
    with session_scope(lab.engine) as session:
        evaluation_id = evaluations.request(session, trained, asked).id
    dispatch.send_evaluation(evaluation_id)

    def finished() -> EvaluationView | None:
        with reading_scope(lab.engine) as session:
            seen = evaluations.get(session, evaluation_id)
        return seen if seen.status == "finished" else None

    eventually(finished, "the evaluation")
    with reading_scope(lab.engine) as session:
        (outcome,) = predictions.outcomes(session, evaluation_id)
    (answer,) = found.answers
    assert [(each.grid, each.votes, each.correct) for each in answer.candidates] == [
        (each.grid.digits, each.votes, each.correct) for each in outcome.candidates
    ]
    assert answer.views == 6
    assert len(answer.steps) == tiny().model.act.max_steps
    assert found.load_seconds
    neighbours = eventually(lambda: view(lab, found.id).neighbours, "the neighbours", within=900.0)
    assert 1 <= len(neighbours.nearest) <= 5
    assert neighbours.compared >= len(neighbours.nearest)
    again = answered(lab, ask(lab, trained, views=1))
    assert again.load_seconds == 0  # it is warm


def test_the_way_between_two_contexts_begins_with_the_tasks_own_answer(lab: Lab, trained: str) -> None:
    asked = BetweenRequest(run=trained, first=f"{SET}/{TASK_ID}", second=f"{SET}/{OTHER_ID}", points=3)
    with session_scope(lab.engine) as session:
        play_id = plays.ask_between(session, asked).id
    dispatch.send_play(play_id)
    found = answered(lab, play_id)
    assert found.is_over
    assert found.way is not None
    assert [each.share for each in found.way.points] == [0, 0.5, 1]
    (alone,) = answered(lab, ask(lab, trained, views=1)).answers
    assert found.way.points[0].grid == alone.candidates[0].grid
    assert found.way.points[0].equals in ("first", "both")


def test_search_and_test_time_training_leave_their_traces(lab: Lab, trained: str) -> None:
    found = answered(lab, ask(lab, trained, views=2, search={"kind": "gradient", "steps": 3}))
    search = found.answers[0].search
    assert search is not None
    assert search.points
    learns = {"kind": "encoder", "steps": 2, "batch_size": 2, "augmentations": 1}
    adaptation = answered(lab, ask(lab, trained, views=2, adaptation=learns)).answers[0].adaptation
    assert adaptation is not None
    assert adaptation.steps == 2


def test_a_task_is_asked_on_the_command_line(lab: Lab, trained: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    pair = {"input": [[1, 2]], "output": [[2, 1]]}
    file.write_text(json.dumps({"train": [pair, pair], "test": [{"input": [[3, 4]]}]}))
    done = subprocess.run(
        [sys.executable, "-m", "backend.cli", "play", str(file), trained, "--views", "4"],
        env=os.environ | lab.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "of 4 views" in done.stdout
    assert "See it: /play/" in done.stdout


def test_plays_are_answered_beside_a_training(lab: Lab, trained: str) -> None:
    config = tiny()
    training = config.training.model_copy(update={"steps": 2_000})
    run_id = lab.submit(config.model_copy(update={"training": training}))
    lab.await_step(run_id, 1)
    found = answered(lab, ask(lab, trained))
    assert lab.row(run_id).status == "running"
    assert found.device.startswith("CPU")
    lab.cancel(run_id)
    lab.await_status(run_id, "cancelled")


def test_a_killed_process_costs_one_try(lab: Lab, trained: str) -> None:
    answered(lab, ask(lab, trained))
    (process,) = warm(lab)
    kill(process)
    assert answered(lab, ask(lab, trained)).load_seconds
    slow = ask(lab, trained, adaptation=LONG)
    eventually(lambda: view(lab, slow).status == "running", "the play to begin")
    kill(*warm(lab))
    eventually(lambda: view(lab, slow).status_cause, "the cause")
    with session_scope(lab.engine) as session:
        plays.cancel(session, slow)
    assert answered(lab, ask(lab, trained)).status == "finished"


@pytest.mark.parametrize("work", [{"adaptation": LONG}, {"search": LONG_SEARCH}], ids=["training", "search"])
def test_a_cancelled_play_keeps_the_process_warm(lab: Lab, trained: str, work: dict[str, Any]) -> None:
    answered(lab, ask(lab, trained))
    (before,) = warm(lab)
    slow = ask(lab, trained, **work)  # looks at each step whether it is still wanted
    eventually(lambda: view(lab, slow).status == "running", "the play to begin")
    with session_scope(lab.engine) as session:
        plays.cancel(session, slow)
    assert answered(lab, ask(lab, trained)).load_seconds == 0
    assert view(lab, slow).status == "cancelled"
    assert [each.pid for each in warm(lab)] == [before.pid]


def test_a_worker_that_is_killed_leaves_the_play_to_the_next(lab: Lab, trained: str) -> None:
    slow = ask(lab, trained, adaptation=LONG)
    eventually(lambda: view(lab, slow).status == "running", "the play to begin")
    (process,) = eventually(lambda: warm(lab), "its child")
    assert lab.worker is not None
    kill(lab.worker)
    eventually(lambda: has_ended(process), "the end of its child")
    with session_scope(lab.engine) as session:
        plays.cancel(session, slow)
    play = ask(lab, trained)
    lab.start_worker()
    assert answered(lab, play).status == "finished"
