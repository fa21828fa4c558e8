"""Evaluation jobs in the database: asked for, shared by workers, interrupted, cancelled, resumed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import Engine

from backend.data import service as datasets
from backend.db.session import reading_scope, session_scope
from backend.domain.config.presets import quick
from backend.domain.evaluation_request import EvaluationRequest, parse_request
from backend.domain.records import Checkpoint, EvaluationSummary, Score, TestOutcome
from backend.evaluation import jobs as evaluation_queue
from backend.evaluation import outcomes as predictions
from backend.evaluation import service as evaluations
from backend.evaluation.jobs import Share, ShareLost
from backend.evaluation.views import EvaluationView
from backend.kit import service_log
from backend.kit.errors import Conflict, InvalidInput, NotFound
from backend.lifecycle import service as runs
from backend.queue import board as queue_board
from backend.queue import sweep as queue_sweep
from backend.runs import checkpoints, events
from backend.runs.status import MAX_ATTEMPTS, RunStatus
from backend.workers import lease
from backend.workers import service as workers
from backend.workers.service import WorkerBeat, WorkerState
from tests.support.passing_time import elapse
from tests.support.records.rows import add_run

RUN = "aaaaaaaaaa"
TASKS = [f"task{number}" for number in range(6)]
ASKED = EvaluationRequest(set="mine", views=8)


@pytest.fixture(autouse=True)
def _run(engine: Engine) -> None:
    task = {
        "train": [{"input": [[1, 2]], "output": [[2, 1]]}],
        "test": [{"input": [[1, 2]], "output": [[2, 1]]}],
    }
    add_run(engine, RUN, config=quick().model_dump(mode="json"), status=RunStatus.FINISHED)
    with session_scope(engine) as session:
        content = json.dumps(dict.fromkeys(TASKS, task)).encode()
        datasets.import_files(session, "mine", [(content, "mine.json")])
        for step in (100, 200):
            checkpoints.add(session, RUN, Checkpoint(step, f"{RUN}/{step}", "0", 1))


def ask(engine: Engine, asked: EvaluationRequest = ASKED, **changes: Any) -> EvaluationView:
    with session_scope(engine) as session:
        return evaluations.request(session, RUN, asked.model_copy(update=changes))


def claim(engine: Engine, view: EvaluationView, worker: str = "w1") -> Share | None:
    with session_scope(engine) as session:
        return evaluation_queue.claim(session, view.id, worker)


def begun(engine: Engine, view: EvaluationView, worker: str = "w1", batches: int = 3) -> Share:
    share = claim(engine, view, worker)
    assert share
    with session_scope(engine) as session:
        evaluation_queue.begin(session, share, "CPU", batches, views=30, cells=300, failed=[])
    return share


def take(engine: Engine, share: Share) -> int | None:
    with session_scope(engine) as session:
        return evaluation_queue.take(session, share)


def deliver(engine: Engine, share: Share, number: int) -> None:
    with session_scope(engine) as session:
        evaluation_queue.deliver(session, share, number, b"votes", views=10, cells=100, seconds=2.0)


def read(engine: Engine, view: EvaluationView) -> EvaluationView:
    with reading_scope(engine) as session:
        return evaluations.get(session, view.id)


def sweep(engine: Engine, room: int = 4) -> list[int]:
    idle = WorkerState(
        "w.1.1.1", "w", 1, "cpu", "", 1, None, 0.0, out_since=None, heartbeat_at=0.0, alive=True
    )
    with session_scope(engine) as session:
        evaluation_queue.put_back_lost(session)
        return [evaluation for evaluation, _ in queue_sweep.to_send(session, [idle] * room).evaluations]


def test_what_is_asked_for_is_queued_with_all_that_it_is_measured_on(engine: Engine) -> None:
    view = ask(engine, first_tasks=4, trace_steps=True, workers=2)
    assert (view.status, view.step, view.n, view.views, view.weights) == ("queued", 200, 4, 8, "ema")
    assert (view.act_steps, view.search, view.held_out, view.is_job) == (4, "", True, True)
    assert (view.max_workers, view.progress.test_inputs, view.progress.share) == (2, 4, None)
    assert view.options == {"batch_size": 64, "keep_candidates": 5, "trace_steps": True}
    other = ask(engine, tasks=("task5", "task1"), step=100, weights="raw", act_steps=9)
    assert (other.step, other.n, other.weights, other.act_steps) == (100, 2, "raw", 9)
    with reading_scope(engine) as session:
        assert [each.id for each in evaluations.find(session)] == [other.id, view.id]
        assert [each.id for each in evaluations.find(session, RUN, ["queued"])] == [other.id, view.id]
        assert evaluations.find(session, status=["running"]) == []


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"set": "mien"}, "set", "Did you mean 'mine'?"),
        ({"step": 150}, "step", "It has 200, 100."),
        ({"tasks": ("task9",)}, "tasks", "mine has no task 'task9'."),
    ],
)
def test_a_wrong_field_is_named(engine: Engine, changes: dict[str, Any], field: str, said: str) -> None:
    with pytest.raises(InvalidInput) as wrong:
        ask(engine, **changes)
    (problem,) = wrong.value.problems
    assert problem.field == field
    assert said in str(problem)


def test_another_adaptation_is_another_evaluation(engine: Engine) -> None:
    plain = ask(engine)
    learned = ask(engine, adaptation={"kind": "all", "steps": 5})
    longer = ask(engine, adaptation={"kind": "all", "steps": 6})
    assert len({plain.id, learned.id, longer.id}) == 3
    assert json.loads(learned.adaptation)["steps"] == 5
    assert learned.options["adaptation"] == {"kind": "all", "steps": 5}
    with pytest.raises(InvalidInput, match="needs puzzle embeddings"):
        ask(engine, adaptation={"kind": "embedding"})


def test_a_wrong_request_names_its_fields() -> None:
    with pytest.raises(InvalidInput) as wrong:
        parse_request({"views": 0, "steps": 5})
    assert {each.field for each in wrong.value.problems} == {"views", "steps"}
    with pytest.raises(InvalidInput, match="not both"):
        parse_request({"tasks": ["a"], "first_tasks": 2})


def test_nothing_is_evaluated_twice(engine: Engine) -> None:
    view = ask(engine)
    with pytest.raises(Conflict, match=f"Evaluation {view.id} of just this is queued"):
        ask(engine)
    begun(engine, view)
    with session_scope(engine) as session:
        row = predictions.evaluations(session, RUN)[0]
        predictions.finish_evaluation(session, view.id, EvaluationSummary(row.key, {1: Score(1, 6)}))
    with pytest.raises(Conflict, match=rf"This evaluation already exists \({view.id}\)"):
        ask(engine)
    assert ask(engine, views=9).id != view.id


def test_a_run_without_a_checkpoint_or_from_outside_is_refused(engine: Engine) -> None:
    add_run(engine, "bbbbbbbbbb", config=quick().model_dump(mode="json"))
    add_run(engine, "cccccccccc", origin="external")
    for run_id, said in (("bbbbbbbbbb", "no checkpoint yet"), ("cccccccccc", "external run")):
        with session_scope(engine) as session, pytest.raises(Conflict, match=said):
            evaluations.request(session, run_id, ASKED)
    with session_scope(engine) as session, pytest.raises(NotFound):
        evaluations.request(session, "x", ASKED)


def test_shares_take_each_batch_once_and_progress_has_a_time_left(engine: Engine) -> None:
    view = ask(engine, workers=2)
    first, second = begun(engine, view), begun(engine, view, "w2")
    assert claim(engine, view, "w3") is None  # no more than asked for
    assert [take(engine, first), take(engine, second), take(engine, first)] == [0, 1, 2]
    assert take(engine, second) is None
    deliver(engine, second, 1)
    now = read(engine, view)
    assert (now.status, now.progress.views_done, now.progress.views, now.progress.batches_done) == (
        "running", 10, 30, 1,
    )  # fmt: skip
    assert now.progress.share == pytest.approx(1 / 3)
    assert now.progress.seconds_left == pytest.approx(2.0)  # 4 s of work for two
    assert [(each.device_name, each.views, each.active) for each in now.compute.workers] == [
        ("CPU", 0, True), ("CPU", 10, True),
    ]  # fmt: skip
    with session_scope(engine) as session:
        assert evaluation_queue.finish(session, second) == "running"
    assert claim(engine, view, "w3") is None  # nothing left to take
    for number in (0, 2):
        deliver(engine, first, number)
    with session_scope(engine) as session:
        assert evaluation_queue.is_complete(session, first)
        assert evaluation_queue.votes(session, view.id, [0, 1, 2]) == [b"votes"] * 3


def test_the_queue_shows_who_shares_what_and_why_the_rest_waits(engine: Engine) -> None:
    running, waiting, later = ask(engine), ask(engine, step=100), ask(engine, weights="raw")
    assert read(engine, waiting).waiting_reason == (
        "no worker is online: start one with etrm worker; 1 ahead in queue"
    )
    begun(engine, running, "here.1.22.3")
    beat = WorkerBeat("here.1.22.3", "here", 22, "cpu", "CPU", 1, RUN, 0.0)
    with session_scope(engine) as session:
        workers.beat(session, beat)
        evaluations.cancel(session, later.id)
    with reading_scope(engine) as session:
        board = queue_board.read(session).evaluations
    assert [[each.id for each in part] for part in (board.running, board.waiting, board.ended)] == [
        [running.id], [waiting.id], [later.id],
    ]  # fmt: skip
    assert board.waiting[0].waiting_reason == f"1 worker busy with an evaluation of {RUN}"
    assert board.running[0].waiting_reason == ""
    assert board.by_worker["here.1.22.3"].id == running.id
    elapse(engine, queue_board.ENDED_WITHIN + 1)
    with reading_scope(engine) as session:
        assert queue_board.read(session).evaluations.ended == ()


def test_a_lapsed_share_loses_its_batch_to_another_and_can_write_nothing(engine: Engine) -> None:
    view = ask(engine)
    lost = begun(engine, view)
    taken = take(engine, lost)
    assert taken == 0
    elapse(engine, lease.SECONDS - 1)
    assert sweep(engine) == []
    elapse(engine, 2)
    assert sweep(engine) == [view.id]
    now = read(engine, view)
    assert (now.status, now.status_cause) == (
        "queued", "worker w1 has not answered for 60 s; resumes where it stopped",
    )  # fmt: skip
    with session_scope(engine) as session:
        assert evaluation_queue.renew(session, lost) is None
    heir = claim(engine, view, "w2")
    assert heir
    assert take(engine, heir) == taken
    with pytest.raises(ShareLost):
        deliver(engine, lost, taken)
    deliver(engine, heir, taken)
    with pytest.raises(ShareLost):  # once is enough
        deliver(engine, heir, taken)
    assert take(engine, heir) == 1


def test_an_evaluation_that_only_dies_is_given_up(engine: Engine) -> None:
    view = ask(engine)
    for attempt in range(MAX_ATTEMPTS):
        share = begun(engine, view)
        take(engine, share)
        with session_scope(engine) as session:
            status = evaluation_queue.interrupt(session, share, "killed (SIGKILL)", "the end of it")
        assert status == ("failed" if attempt == MAX_ATTEMPTS - 1 else "queued")
    now = read(engine, view)
    assert now.status_cause == "killed (SIGKILL); gave up after 5 attempts without a finished batch"
    assert now.traceback == "the end of it"
    assert ask(engine).id == view.id  # requested again, it continues
    again = begun(engine, view)
    assert take(engine, again) == 0


def test_a_failure_stops_all_who_share(engine: Engine) -> None:
    view = ask(engine, workers=2)
    first, second = begun(engine, view), begun(engine, view, "w2")
    with session_scope(engine) as session:
        evaluation_queue.report_error(session, first, "KeyError: 'x'", "Traceback …")
    with session_scope(engine) as session:
        assert evaluation_queue.fail(session, first, "exit status 1", "tail") == "failed"
    with session_scope(engine) as session:
        assert evaluation_queue.renew(session, second) is None
    with pytest.raises(ShareLost):
        take(engine, second)
    now = read(engine, view)
    assert (now.status, now.status_cause, now.traceback) == ("failed", "KeyError: 'x'", "Traceback …")


def test_a_cancel_waits_for_the_processes_and_keeps_what_is_done(engine: Engine) -> None:
    view = ask(engine)
    share = begun(engine, view)
    number = take(engine, share)
    assert number is not None
    deliver(engine, share, number)
    with session_scope(engine) as session:
        assert evaluations.cancel(session, view.id).status == "cancelling"
    with session_scope(engine) as session:
        assert evaluation_queue.renew(session, share) == "cancelling"
        assert evaluation_queue.release(session, share, "told to stop") == "cancelled"
    assert read(engine, view).status_cause == "cancelled by the user"
    with session_scope(engine) as session:
        assert evaluations.resume(session, view.id).status == "queued"
        assert evaluations.cancel(session, view.id).status == "cancelled"  # queued: at once
    with session_scope(engine) as session, pytest.raises(Conflict, match="cannot be cancelled"):
        evaluations.cancel(session, view.id)
    again = ask(engine)
    assert (again.id, again.progress.batches_done) == (view.id, 1)
    share = begun(engine, view)
    assert take(engine, share) == 1


def test_other_options_start_anew(engine: Engine) -> None:
    view = ask(engine)
    share = begun(engine, view)
    with session_scope(engine) as session:
        evaluation_queue.judged(session, share, TestOutcome("task0", 0, 8, None, ()))
        evaluation_queue.fail(session, share, "away", "")
    again = ask(engine, batch_size=7)
    assert again.id == view.id
    assert (again.progress.scored, again.progress.batches_done, again.compute.workers) == (0, 0, [])


def test_the_run_of_an_active_evaluation_is_not_deleted(engine: Engine) -> None:
    view = ask(engine)
    with session_scope(engine) as session, pytest.raises(Conflict, match=f"evaluation {view.id}"):
        runs.delete(session, RUN)
    with session_scope(engine) as session:
        evaluations.cancel(session, view.id)
        runs.delete(session, RUN)
    with reading_scope(engine) as session, pytest.raises(NotFound):
        evaluations.get(session, view.id)


def test_a_job_has_the_trace_id_of_the_request_that_queued_it(engine: Engine) -> None:
    with service_log.about(trace_id="of-a-request"):
        view = ask(engine)
    by_command = ask(engine, views=16)
    begun(engine, view)
    with reading_scope(engine) as session:
        assert events.trace_of_evaluation(session, RUN, view.id) == "of-a-request"
        assert events.trace_of_evaluation(session, RUN, by_command.id) == ""
