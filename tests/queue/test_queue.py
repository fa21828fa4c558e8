"""The queue's promises on SQLite and PostgreSQL: one winner, no lost run, no word from a dead attempt."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from backend.db import clock
from backend.db.session import session_scope
from backend.domain.records import Checkpoint
from backend.lifecycle import service as run_service
from backend.queue import claims as queue
from backend.queue import sweep as queue_sweep
from backend.queue.claims import Claim
from backend.runs import checkpoints, events
from backend.runs import queries as runs
from backend.runs.status import MAX_ATTEMPTS, RunStatus
from backend.runs.tables import Run
from backend.workers import lease
from backend.workers import service as workers
from tests.support.passing_time import elapse
from tests.support.processes import eventually
from tests.support.records.rows import add_run

T = TypeVar("T")
RUN = "aaaaaaaaaa"


def commit(engine: Engine, action: Callable[[Session], T]) -> T:
    with session_scope(engine) as session:
        return action(session)


def row(engine: Engine, run_id: str = RUN) -> Run:
    run = commit(engine, lambda session: runs.get(session, run_id))
    assert run is not None
    return run


def claim(engine: Engine, run_id: str = RUN, worker_id: str = "host.1.1.1") -> Claim:
    held = commit(engine, lambda session: queue.claim(session, run_id, worker_id))
    assert held is not None
    return held


def beat(engine: Engine, worker_id: str, run_id: str | None = None) -> None:
    sign = workers.WorkerBeat(worker_id, "host", 1, "cpu", "a CPU", 2**34, run_id, 0.0)
    commit(engine, lambda session: workers.beat(session, sign))


def lapse(engine: Engine) -> None:
    elapse(engine, lease.SECONDS + 1)
    commit(engine, queue.put_back_lost)


def listed(engine: Engine) -> dict[str, bool]:
    """Worker -> whether it is alive."""
    return {each.id: each.alive for each in commit(engine, workers.listed)}


def checkpoint(engine: Engine, step: int) -> None:
    saved = Checkpoint(step, f"{RUN}/checkpoints/{step}", "0" * 64, 1)
    commit(engine, lambda session: checkpoints.add(session, RUN, saved))


def request_cancel(engine: Engine) -> None:
    assert commit(engine, lambda session: run_service.request_cancel(session, RUN)).status == "cancelling"


def interrupt_once(engine: Engine) -> RunStatus | None:
    held = claim(engine)
    return commit(engine, lambda session: queue.interrupt(session, held, "killed (SIGKILL)"))


def test_of_eight_workers_that_claim_one_run_exactly_one_gets_it(engine: Engine) -> None:
    add_run(engine, RUN)
    start = threading.Barrier(8)

    def race(number: int) -> Claim | None:
        start.wait()
        return commit(engine, lambda session: queue.claim(session, RUN, f"worker-{number}"))

    with ThreadPoolExecutor(8) as pool:
        winners = [held for held in pool.map(race, range(8)) if held is not None]

    assert len(winners) == 1
    run = row(engine)
    assert (run.status, run.attempt, run.worker_id) == ("running", 1, winners[0].worker_id)
    assert run.lease_until == pytest.approx(commit(engine, clock.read) + lease.SECONDS, abs=10)


def test_a_duplicate_message_finds_nothing_to_claim(engine: Engine) -> None:
    add_run(engine, RUN)
    held = claim(engine)
    assert commit(engine, lambda session: queue.claim(session, RUN, "another")) is None
    commit(engine, lambda session: queue.finish(session, held))
    assert commit(engine, lambda session: queue.claim(session, RUN, "another")) is None
    assert row(engine).status == "finished"


def test_sweepers_racing_a_renewal_take_the_run_away_once_or_not_at_all(engine: Engine) -> None:
    add_run(engine, RUN)
    held = claim(engine)
    elapse(engine, lease.SECONDS + 1)
    start = threading.Barrier(8)

    def sweep() -> None:
        start.wait()
        commit(engine, queue.put_back_lost)

    def renew() -> RunStatus | None:
        start.wait()
        return commit(engine, lambda session: queue.renew(session, held))

    with ThreadPoolExecutor(8) as pool:
        renewals = [pool.submit(renew)]
        for sweeping in [pool.submit(sweep) for _ in range(7)]:
            sweeping.result()

    kept = renewals[0].result() is RunStatus.RUNNING
    interruptions = [event for event in _events(engine) if event == "interrupted"]
    assert (row(engine).status, len(interruptions)) == (("running", 0) if kept else ("queued", 1))


def test_a_lapsed_lease_puts_the_run_back_with_its_cause_and_the_step_it_goes_on_from(engine: Engine) -> None:
    add_run(engine, RUN)
    held = claim(engine)
    checkpoint(engine, 40)
    elapse(engine, lease.SECONDS - 30)
    assert commit(engine, lambda session: queue.renew(session, held)) is RunStatus.RUNNING
    elapse(engine, lease.SECONDS - 20)
    commit(engine, queue.put_back_lost)
    assert row(engine).status == "running"

    elapse(engine, 21)
    commit(engine, queue.put_back_lost)

    run = row(engine)
    assert (run.status, run.lease_until, run.worker_id) == ("queued", None, None)
    assert "worker host (process 1) has not answered for 60 s; resumes from step 40" in run.status_cause
    assert claim(engine).attempt == 2


def test_an_attempt_that_lost_its_run_can_neither_renew_nor_end_it(engine: Engine) -> None:
    add_run(engine, RUN)
    old = claim(engine)
    lapse(engine)
    new = claim(engine)

    for late_word in (
        lambda session: queue.renew(session, old),
        lambda session: queue.finish(session, old),
        lambda session: queue.fail(session, old, "late", ""),
        lambda session: queue.release(session, old, "late"),
        lambda session: queue.interrupt(session, old, "late"),
        lambda session: queue.cancelled(session, old),
    ):
        assert commit(engine, late_word) is None
    assert not commit(engine, lambda session: queue.report_error(session, old, "late", "late"))

    run = row(engine)
    assert (run.status, run.attempt, run.traceback) == ("running", new.attempt, "")


def test_a_run_that_dies_again_and_again_at_the_same_step_fails_with_its_cause(engine: Engine) -> None:
    add_run(engine, RUN)
    ends = [interrupt_once(engine) for _ in range(MAX_ATTEMPTS)]
    assert ends == [RunStatus.QUEUED] * (MAX_ATTEMPTS - 1) + [RunStatus.FAILED]
    assert row(engine).status_cause == (
        "killed (SIGKILL); gave up after 5 attempts without progress past step 0"
    )


def test_new_progress_or_a_resume_by_the_user_gives_a_dying_run_new_attempts(engine: Engine) -> None:
    add_run(engine, RUN)
    for step in range(2 * MAX_ATTEMPTS):
        checkpoint(engine, step)
        assert interrupt_once(engine) is RunStatus.QUEUED
    while interrupt_once(engine) is RunStatus.QUEUED:
        pass
    assert row(engine).status == "failed"

    commit(engine, lambda session: run_service.resume(session, RUN))
    assert interrupt_once(engine) is RunStatus.QUEUED


def test_a_worker_that_leaves_in_good_order_does_not_count_as_an_interruption(engine: Engine) -> None:
    add_run(engine, RUN)
    for _ in range(2 * MAX_ATTEMPTS):
        held = claim(engine)
        end = commit(engine, lambda session, held=held: queue.release(session, held, "worker stopped"))
        assert end is RunStatus.QUEUED
    assert row(engine).status_cause == "worker stopped; resumes from step 0"


@pytest.mark.parametrize("how", ["finish", "fail", "release", "interrupt", "cancelled", "lapse", "dead"])
def test_however_a_cancelling_run_ends_it_becomes_cancelled(engine: Engine, how: str) -> None:
    add_run(engine, RUN)
    held = claim(engine)
    request_cancel(engine)
    assert commit(engine, lambda session: queue.renew(session, held)) is RunStatus.CANCELLING

    endings: dict[str, Callable[[Session], object]] = {
        "finish": lambda session: queue.finish(session, held),
        "fail": lambda session: queue.fail(session, held, "crash", "trace"),
        "release": lambda session: queue.release(session, held, "leaving"),
        "interrupt": lambda session: queue.interrupt(session, held, "killed"),
        "cancelled": lambda session: queue.cancelled(session, held),
        "lapse": queue.put_back_lost,
        "dead": lambda session: queue.put_back_lost(session, lambda _worker: True),
    }
    if how == "lapse":
        elapse(engine, lease.SECONDS + 1)
    commit(engine, endings[how])

    run = row(engine)
    assert (run.status, run.cancel_requested, run.lease_until) == ("cancelled", False, None)
    assert run.finished_at is not None


def test_a_crash_shows_what_the_child_reported_itself(engine: Engine) -> None:
    add_run(engine, RUN)
    held = claim(engine)
    assert commit(engine, lambda session: queue.report_error(session, held, "no such set", "Traceback ..."))
    commit(engine, lambda session: queue.fail(session, held, "exit status 1", "console"))
    run = row(engine)
    assert (run.status, run.status_cause, run.traceback) == ("failed", "no such set", "Traceback ...")


def test_a_crash_that_the_child_could_not_report_shows_the_end_of_its_console(engine: Engine) -> None:
    add_run(engine, RUN)
    held = claim(engine)
    commit(engine, lambda session: queue.fail(session, held, "exit status 1", "console"))
    run = row(engine)
    assert (run.status, run.status_cause, run.traceback) == ("failed", "exit status 1", "console")


def test_leases_of_dead_processes_are_freed_at_once_and_others_kept(engine: Engine) -> None:
    add_run(engine, RUN)
    add_run(engine, "bbbbbbbbbb")
    claim(engine, worker_id="host.1.7.7")
    claim(engine, run_id="bbbbbbbbbb", worker_id="elsewhere.1.7.7")
    beat(engine, "host.1.7.7")

    commit(engine, lambda session: queue_sweep.sweep(session, lambda worker: worker.startswith("host.")))

    assert row(engine).status == "queued"
    assert row(engine).status_cause == "worker host (process 7) died; resumes from step 0"
    assert row(engine, "bbbbbbbbbb").status == "running"
    assert listed(engine) == {}


def test_right_after_an_outage_of_the_database_a_lapsed_lease_is_left_to_be_renewed(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_run(engine, RUN)
    claim(engine)
    elapse(engine, lease.SECONDS + 1)
    outage = queue_sweep.Outage()  # of a process that starts
    assert not outage.is_over

    commit(engine, lambda session: queue_sweep.sweep(session, count_lapsed=outage.is_over))
    assert row(engine).status == "running"

    monkeypatch.setattr(queue_sweep, "RENEWED_WITHIN", 0.0)
    outage.note()
    eventually(lambda: outage.is_over, "everybody has had the time to renew")
    commit(engine, lambda session: queue_sweep.sweep(session, count_lapsed=outage.is_over))
    assert row(engine).status == "queued"


def test_a_lost_message_is_sent_again_once_a_worker_is_idle(engine: Engine) -> None:
    add_run(engine, RUN, created_at=commit(engine, clock.read))
    add_run(engine, "bbbbbbbbbb", created_at=commit(engine, clock.read))

    def swept() -> list[str]:
        return commit(engine, queue_sweep.sweep).runs

    assert swept() == []  # no worker: nobody would read it
    beat(engine, "busy", run_id="cccccccccc")
    assert swept() == []  # it would only pile up
    beat(engine, "idle")
    assert swept() == []  # the first message is not old enough to be lost
    elapse(engine, queue_sweep.RESEND_AFTER)
    assert swept() == [RUN]
    assert swept() == ["bbbbbbbbbb"]
    assert swept() == []
    elapse(engine, queue_sweep.RESEND_AFTER)
    beat(engine, "idle")
    assert swept() == [RUN]


def test_a_run_that_was_put_back_is_sent_at_once(engine: Engine) -> None:
    now = commit(engine, clock.read)
    add_run(engine, RUN, created_at=now, dispatched_at=now)
    interrupt_once(engine)
    beat(engine, "idle")
    assert commit(engine, queue_sweep.sweep).runs == [RUN]


def test_a_queued_run_says_its_position_and_why_it_waits(engine: Engine) -> None:
    for number, run_id in enumerate(("rrrrrrrrrr", "bbbbbbbbbb", RUN)):
        add_run(engine, run_id, name=f"run {number}", created_at=float(number))
    claim(engine, run_id="rrrrrrrrrr", worker_id="one")

    def waits() -> str:
        return commit(engine, lambda session: run_service.get(session, RUN)).waiting_reason

    assert waits() == "no worker is online: start one with etrm worker; 1 ahead in queue"
    beat(engine, "one", run_id="rrrrrrrrrr")
    assert waits() == "1 worker busy with run 0; 1 ahead in queue"
    beat(engine, "two")
    assert waits() == "1 worker busy with run 0; 1 ahead in queue"  # the idle one is for the other
    beat(engine, "three")
    assert waits() == "1 ahead in queue; a worker is idle and will start it within seconds"
    elapse(engine, workers.LOST_AFTER + 1)
    assert waits() == (
        "no worker is online: start one with etrm worker; 1 ahead in queue; "
        "3 workers offline: host, host, host"
    )
    claim(engine)
    assert waits() == ""


def test_a_worker_may_report_from_several_threads_at_once(engine: Engine) -> None:
    start = threading.Barrier(8)

    def report(_number: int) -> None:
        start.wait()
        beat(engine, "one")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(report, range(8)))
    assert listed(engine) == {"one": True}


def test_a_worker_is_lost_when_it_missed_three_heartbeats(engine: Engine) -> None:
    beat(engine, "one")
    elapse(engine, workers.LOST_AFTER - 5)
    assert listed(engine) == {"one": True}
    elapse(engine, 6)
    assert listed(engine) == {"one": False}
    elapse(engine, workers.FORGET_AFTER)
    beat(engine, "two")
    assert listed(engine) == {"two": True}


def _events(engine: Engine) -> list[str]:
    return [event.kind for event in commit(engine, lambda session: events.list(session, RUN))]


def test_every_change_of_status_leaves_an_event(engine: Engine) -> None:
    add_run(engine, RUN)
    interrupt_once(engine)
    held = claim(engine)
    commit(engine, lambda session: queue.release(session, held, "worker stopped"))
    last = claim(engine)
    commit(engine, lambda session: queue.finish(session, last))
    assert _events(engine) == ["claimed", "interrupted", "claimed", "released", "claimed", "finished"]
