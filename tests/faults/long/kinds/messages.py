"""Messages to workers doubled, lost or late: the database is the truth, a message is a hint."""

from __future__ import annotations

import redis

from backend.queue import dispatch
from backend.runs.status import RunStatus
from tests.faults.long.registry import Course, fault
from tests.faults.long.trial import Trial
from tests.support.processes import eventually

COPIES = 6
LATE = 5.0  # seconds at most


@fault("messages-doubled", "messages doubled", "each run is trained once")
def doubled(trial: Trial) -> Course:
    first, second = trial.submit(), trial.submit()
    for _ in range(COPIES):
        dispatch.send(trial.draw.choice((first, second)))
    trial.reach(first)
    for _ in range(COPIES):
        dispatch.send(trial.draw.choice((first, second)))
    yield
    trial.expect_attempts(first, 1)
    trial.expect_attempts(second, 1)


@fault("messages-lost", "messages lost (the broker is emptied)", "sent again by the next sweep")
def lost(trial: Trial) -> Course:
    first, second = trial.submit(), trial.submit()
    trial.reach(first)
    with redis.Redis.from_url(trial.lab.environment["ETRM_BROKER_URL"]) as broker:
        broker.flushall()
    yield
    trial.expect_attempts(first, 1)
    trial.expect_attempts(second, 1)


@fault("messages-late", "messages late: while the run trains, and after its end", "they change nothing")
def late(trial: Trial) -> Course:
    run_id = trial.submit(tell=False)
    trial.pause(LATE)
    dispatch.send(run_id)
    trial.reach(run_id)
    dispatch.send(run_id)
    eventually(lambda: RunStatus(trial.lab.row(run_id).status).is_over, "its end")
    before = trial.lab.worker_log().count("succeeded")
    dispatch.send(run_id)
    eventually(lambda: trial.lab.worker_log().count("succeeded") > before, "the late message taken")
    yield
    trial.expect_attempts(run_id, 1)
