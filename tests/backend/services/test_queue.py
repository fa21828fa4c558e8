"""The queue's promises on SQLite and PostgreSQL: one winner, no lost run, no word from a dead attempt."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from backend.db.repositories import runs
from backend.db.session import make_engine, session_scope
from backend.db.tables import Run
from backend.domain.records import Checkpoint
from backend.domain.run import RunStatus, may_follow
from backend.services import checkpoints, events, queue, workers
from backend.services.queue import Claim
from tests.support.rows import add_run

T = TypeVar("T")
RUN = "aaaaaaaaaa"


def commit(engine: Engine, action: Callable[[Session], T]) -> T:
    with session_scope(engine) as session:
        return action(session)


def row(engine: Engine, run_id: str = RUN) -> Run:
    run = commit(engine, lambda session: runs.get(session, run_id))
    assert run is not None
    return run


def claim(engine: Engine, now: float = 0.0, run_id: str = RUN, worker_id: str = "host.1.1.1") -> Claim:
    held = commit(engine, lambda session: queue.claim(session, run_id, worker_id, now))
    assert held is not None
    return held


def beat(engine: Engine, worker_id: str, now: float, run_id: str | None = None) -> None:
    sign = workers.WorkerBeat(worker_id, "host", 1, "cpu", "a CPU", 2**34, run_id, 0.0)
    commit(engine, lambda session: queue.beat(session, sign, now))


def checkpoint(engine: Engine, step: int) -> None:
    saved = Checkpoint(step, f"{RUN}/checkpoints/{step}", "0" * 64, 1)
    commit(engine, lambda session: checkpoints.add(session, RUN, saved))


def request_cancel(engine: Engine) -> None:
    def ask(session: Session) -> bool:
        return runs.change_status(
            session, RUN, RunStatus.RUNNING, RunStatus.CANCELLING, cancel_requested=True
        )

    assert commit(engine, ask)


def interrupt_once(engine: Engine, now: float) -> RunStatus | None:
    held = claim(engine, now)
    return commit(engine, lambda session: queue.interrupt(session, held, "killed (SIGKILL)", now))


def test_of_eight_workers_that_claim_one_run_exactly_one_gets_it(engine: Engine) -> None:
    add_run(engine, RUN)
    start = threading.Barrier(8)

    def race(number: int) -> Claim | None:
        start.wait()
        return commit(engine, lambda session: queue.claim(session, RUN, f"worker-{number}", 1.0))

    with ThreadPoolExecutor(8) as pool:
        winners = [held for held in pool.map(race, range(8)) if held is not None]

    assert len(winners) == 1
    run = row(engine)
    assert (run.status, run.attempt, run.worker_id) == ("running", 1, winners[0].worker_id)
    assert run.lease_until == 1.0 + queue.LEASE


def test_a_duplicate_message_finds_nothing_to_claim(engine: Engine) -> None:
    add_run(engine, RUN)
    held = claim(engine)
    assert commit(engine, lambda session: queue.claim(session, RUN, "another", 1.0)) is None
    commit(engine, lambda session: queue.finish(session, held, 2.0))
    assert commit(engine, lambda session: queue.claim(session, RUN, "another", 3.0)) is None
    assert row(engine).status == "finished"


def test_sweepers_racing_a_renewal_take_the_run_away_once_or_not_at_all(engine: Engine) -> None:
    add_run(engine, RUN)
    held = claim(engine)
    late = queue.LEASE + 1
    start = threading.Barrier(8)

    def sweep() -> object:
        start.wait()
        return commit(engine, lambda session: queue.sweep(session, late))

    def renew() -> RunStatus | None:
        start.wait()
        return commit(engine, lambda session: queue.renew(session, held, late))

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
    assert commit(engine, lambda session: queue.renew(session, held, 30.0)) is RunStatus.RUNNING
    commit(engine, lambda session: queue.sweep(session, 30.0 + queue.LEASE))
    assert row(engine).status == "running"

    commit(engine, lambda session: queue.sweep(session, 31.0 + queue.LEASE))

    run = row(engine)
    assert (run.status, run.lease_until, run.worker_id) == ("queued", None, None)
    assert "worker host (process 1) has not answered for 60 s; goes on from step 40" in run.status_cause
    assert claim(engine, 100.0).attempt == 2


def test_an_attempt_that_lost_its_run_can_neither_renew_nor_end_it(engine: Engine) -> None:
    add_run(engine, RUN)
    old = claim(engine)
    commit(engine, lambda session: queue.sweep(session, queue.LEASE + 1))
    new = claim(engine, 100.0)

    for late_word in (
        lambda session: queue.renew(session, old, 101.0),
        lambda session: queue.finish(session, old, 101.0),
        lambda session: queue.fail(session, old, "late", "", 101.0),
        lambda session: queue.release(session, old, "late", 101.0),
        lambda session: queue.interrupt(session, old, "late", 101.0),
        lambda session: queue.cancelled(session, old, 101.0),
    ):
        assert commit(engine, late_word) is None
    assert not commit(engine, lambda session: queue.report_error(session, RUN, old.attempt, "late", "late"))

    run = row(engine)
    assert (run.status, run.attempt, run.traceback) == ("running", new.attempt, "")


def test_a_run_that_dies_again_and_again_at_the_same_step_fails_with_its_cause(engine: Engine) -> None:
    add_run(engine, RUN)
    ends = [interrupt_once(engine, float(now)) for now in range(queue.MOST_ATTEMPTS)]
    assert ends == [RunStatus.QUEUED] * (queue.MOST_ATTEMPTS - 1) + [RunStatus.FAILED]
    assert row(engine).status_cause == (
        "killed (SIGKILL); given up after 5 attempts that came no further than step 0"
    )


def test_new_progress_or_a_resume_by_the_user_gives_a_dying_run_new_attempts(engine: Engine) -> None:
    add_run(engine, RUN)
    for now in range(2 * queue.MOST_ATTEMPTS):
        checkpoint(engine, step=now)
        assert interrupt_once(engine, float(now)) is RunStatus.QUEUED
    while interrupt_once(engine, 50.0) is RunStatus.QUEUED:
        pass
    assert row(engine).status == "failed"

    commit(engine, lambda s: runs.change_status(s, RUN, RunStatus.FAILED, RunStatus.QUEUED))
    assert interrupt_once(engine, 60.0) is RunStatus.QUEUED


def test_a_worker_that_leaves_in_good_order_does_not_count_as_an_interruption(engine: Engine) -> None:
    add_run(engine, RUN)
    for now in range(2 * queue.MOST_ATTEMPTS):
        held = claim(engine, float(now))
        end = commit(engine, lambda session, held=held: queue.release(session, held, "worker stopped", 1.0))
        assert end is RunStatus.QUEUED
    assert row(engine).status_cause == "worker stopped; goes on from step 0"


@pytest.mark.parametrize("how", ["finish", "fail", "release", "interrupt", "cancelled", "lapse", "dead"])
def test_however_a_cancelling_run_ends_it_becomes_cancelled(engine: Engine, how: str) -> None:
    add_run(engine, RUN)
    held = claim(engine)
    request_cancel(engine)
    assert commit(engine, lambda session: queue.renew(session, held, 0.0)) is RunStatus.CANCELLING

    endings: dict[str, Callable[[Session], object]] = {
        "finish": lambda session: queue.finish(session, held, 1.0),
        "fail": lambda session: queue.fail(session, held, "crash", "trace", 1.0),
        "release": lambda session: queue.release(session, held, "leaving", 1.0),
        "interrupt": lambda session: queue.interrupt(session, held, "killed", 1.0),
        "cancelled": lambda session: queue.cancelled(session, held, 1.0),
        "lapse": lambda session: queue.sweep(session, queue.LEASE + 1),
        "dead": lambda session: queue.free_dead(session, lambda _worker: True, 1.0),
    }
    commit(engine, endings[how])

    run = row(engine)
    assert (run.status, run.cancel_requested, run.lease_until) == ("cancelled", False, None)
    assert run.finished_at is not None


def test_a_crash_shows_what_the_child_reported_itself(engine: Engine) -> None:
    add_run(engine, RUN)
    held = claim(engine)
    assert commit(engine, lambda session: queue.report_error(session, RUN, 1, "no such set", "Traceback ..."))
    commit(engine, lambda session: queue.fail(session, held, "exit status 1", "console", 1.0))
    run = row(engine)
    assert (run.status, run.status_cause, run.traceback) == ("failed", "no such set", "Traceback ...")


def test_a_crash_that_the_child_could_not_report_shows_the_end_of_its_console(engine: Engine) -> None:
    add_run(engine, RUN)
    held = claim(engine)
    commit(engine, lambda session: queue.fail(session, held, "exit status 1", "console", 1.0))
    run = row(engine)
    assert (run.status, run.status_cause, run.traceback) == ("failed", "exit status 1", "console")


def test_leases_of_dead_processes_are_freed_at_once_and_others_kept(engine: Engine) -> None:
    add_run(engine, RUN)
    add_run(engine, "bbbbbbbbbb")
    claim(engine, worker_id="host.1.7.7")
    claim(engine, run_id="bbbbbbbbbb", worker_id="elsewhere.1.7.7")
    beat(engine, "host.1.7.7", 1.0)

    freed = commit(engine, lambda s: queue.free_dead(s, lambda worker: worker.startswith("host."), 1.0))

    assert freed == [RUN]
    assert row(engine).status == "queued"
    assert row(engine).status_cause == "worker host (process 7) died; goes on from step 0"
    assert row(engine, "bbbbbbbbbb").status == "running"
    assert commit(engine, lambda session: workers.listed(session, 1.0)) == []


def test_a_lost_message_is_sent_again_once_a_worker_is_idle(engine: Engine) -> None:
    add_run(engine, RUN, created_at=0.0)
    add_run(engine, "bbbbbbbbbb", created_at=1.0)

    def swept(now: float) -> list[str]:
        return commit(engine, lambda session: queue.sweep(session, now))

    assert swept(30.0) == []  # no worker: nobody would read it
    beat(engine, "busy", 30.0, run_id="cccccccccc")
    assert swept(30.0) == []  # it would only pile up
    beat(engine, "idle", 10.0)
    assert swept(15.0) == []  # the first message is not old enough to be lost
    assert swept(21.0) == [RUN]
    assert swept(22.0) == ["bbbbbbbbbb"]
    assert swept(40.0) == []
    assert swept(42.0) == [RUN]


def test_a_run_that_was_put_back_is_sent_at_once(engine: Engine) -> None:
    add_run(engine, RUN, created_at=0.0, dispatched_at=0.0)
    interrupt_once(engine, 1.0)
    beat(engine, "idle", 1.0)
    assert commit(engine, lambda session: queue.sweep(session, 1.0)) == [RUN]


def test_a_queued_run_says_its_position_and_why_it_waits(engine: Engine) -> None:
    for number, run_id in enumerate(("rrrrrrrrrr", "bbbbbbbbbb", RUN)):
        add_run(engine, run_id, name=f"run {number}", created_at=float(number))
    claim(engine, run_id="rrrrrrrrrr", worker_id="one")

    def waits(now: float, broker_reachable: bool = True) -> workers.Waiting | None:
        return commit(engine, lambda session: workers.waiting(session, RUN, now, broker_reachable))

    assert waits(0.0) == workers.Waiting(2, "no worker is alive: start one with `etrm worker`")
    beat(engine, "one", 0.0, run_id="rrrrrrrrrr")
    assert waits(1.0) == workers.Waiting(2, "1 worker busy with run 0")
    assert "broker is unreachable" in str(waits(1.0, broker_reachable=False))
    beat(engine, "two", 1.0)
    assert waits(2.0) == workers.Waiting(2, "a worker is free and will take it within seconds")
    assert "no worker is alive" in str(waits(2.0 + workers.LOST_AFTER))
    claim(engine)
    assert waits(3.0) is None


def test_a_worker_may_report_from_several_threads_at_once(engine: Engine) -> None:
    start = threading.Barrier(8)

    def report(_number: int) -> None:
        start.wait()
        beat(engine, "one", 1.0)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(report, range(8)))
    assert [worker.id for worker in commit(engine, lambda session: workers.listed(session, 1.0))] == ["one"]


def test_a_worker_is_lost_when_it_missed_three_heartbeats(engine: Engine) -> None:
    beat(engine, "one", 100.0)
    states = [
        commit(engine, lambda s, now=now: workers.listed(s, now))[0].alive
        for now in (100.0, 100.0 + workers.LOST_AFTER, 101.0 + workers.LOST_AFTER)
    ]
    assert states == [True, True, False]
    beat(engine, "two", 101.0 + workers.FORGET_AFTER)
    assert [w.id for w in commit(engine, lambda s: workers.listed(s, 0.0))] == ["two"]


def _events(engine: Engine) -> list[str]:
    return [event.kind for event in commit(engine, lambda session: events.list(session, RUN))]


def test_every_change_of_status_leaves_an_event(engine: Engine) -> None:
    add_run(engine, RUN)
    interrupt_once(engine, 1.0)
    held = claim(engine, 2.0)
    commit(engine, lambda session: queue.release(session, held, "worker stopped", 3.0))
    last = claim(engine, 4.0)
    commit(engine, lambda session: queue.finish(session, last, 5.0))
    assert _events(engine) == ["claimed", "interrupted", "claimed", "released", "claimed", "finished"]


OPERATIONS = ("claim", "renew", "cancel", "finish", "fail", "release", "interrupt", "lapse", "stale finish")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations=st.lists(st.sampled_from(OPERATIONS), max_size=12))
def test_no_sequence_of_events_takes_a_run_through_an_illegal_change(
    sqlite_url: str, operations: list[str]
) -> None:
    engine = make_engine(sqlite_url)
    with session_scope(engine) as session:
        session.query(Run).delete()
    add_run(engine, RUN)
    held, stale = Claim(RUN, 0, "w"), Claim(RUN, -1, "w")
    for now, operation in enumerate(operations):
        before = row(engine)
        with session_scope(engine) as session:
            match operation:
                case "claim":
                    new = queue.claim(session, RUN, "w", now)
                    assert (new is not None) == (before.status == "queued")
                    held, stale = (new, held) if new else (held, stale)
                case "renew":
                    queue.renew(session, held, now)
                case "cancel":
                    runs.change_status(session, RUN, RunStatus.RUNNING, RunStatus.CANCELLING)
                case "finish":
                    queue.finish(session, held, now)
                case "fail":
                    queue.fail(session, held, "crash", "trace", now)
                case "release":
                    queue.release(session, held, "leaving", now)
                case "interrupt":
                    queue.interrupt(session, held, "killed", now)
                case "lapse":
                    queue.sweep(session, now + queue.LEASE + 1)
                case "stale finish":
                    assert queue.finish(session, stale, now) is None
        after = row(engine)
        changed = before.status != after.status
        assert not changed or may_follow(RunStatus(before.status), RunStatus(after.status))
        assert after.attempt == before.attempt + (operation == "claim" and changed)
        assert (after.lease_until is not None) == (after.status in ("running", "cancelling"))
    engine.dispose()
