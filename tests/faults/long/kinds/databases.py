"""The database read-only, locked, or of another version."""

from __future__ import annotations

import sqlite3
import time
from contextlib import ExitStack, closing

import pytest
from sqlalchemy import text

from backend.db.migrate import upgrade
from tests.faults.long.lab import FaultedLab, seed
from tests.faults.long.registry import POSTGRES, SQLITE, Course, fault
from tests.faults.long.trial import Trial
from tests.support.processes import eventually

AWAY = (5.0, 40.0)  # seconds
LOCKED = 30.0  # seconds
AN_OLDER_REVISION = "search_depth"  # the last one at which no worker says whether it is fit


@fault(
    "read-only",
    "failover: PostgreSQL takes no writes",
    "waited out in the same attempt; scripts that log are told so",
    (POSTGRES,),
)
def read_only(trial: Trial) -> Course:
    run_id = trial.midway()
    assert trial.lab.server
    with trial.lab.server.read_only():
        time.sleep(trial.draw.uniform(*AWAY))
    yield
    trial.expect_attempts(run_id, 1)


@fault("locked", "SQLite locked for 30 s by another program", "waited out in the same attempt", (SQLITE,))
def locked(trial: Trial) -> Course:
    run_id = trial.midway()
    with closing(sqlite3.connect(str(trial.lab.engine.url.database), isolation_level=None)) as other:
        other.execute("PRAGMA busy_timeout = 60000")
        other.execute("BEGIN IMMEDIATE")
        time.sleep(LOCKED)
        other.execute("ROLLBACK")
    yield
    trial.expect_attempts(run_id, 1)


@fault(
    "schema-newer",
    "the database becomes newer than the program",
    "nothing is claimed and the worker says so; claimed once the versions fit again",
)
def schema_newer(trial: Trial) -> Course:
    trial.midway()
    waiting = trial.submit()
    with trial.lab.engine.begin() as connection:
        kept = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
        connection.execute(text("UPDATE alembic_version SET version_num = 'of_the_future'"))
    try:
        words = "newer than this program"
        eventually(lambda: words in trial.worker_said(), "the worker's words")
        trial.pause(AWAY[0])
        if trial.lab.row(waiting).attempt:
            trial.findings.append("a worker claimed a run in tables of another version")
    finally:
        with trial.lab.engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = :kept"), {"kept": kept})
    yield
    trial.expect_attempts(waiting, 1)


@fault(
    "schema-older",
    "the worker starts before the database is migrated",
    "waits and says so; works once it is migrated",
    (SQLITE,),
)
def schema_older(trial: Trial) -> Course:
    yield from _before_tables(trial, AN_OLDER_REVISION, "older than this program")


@fault(
    "schema-empty",
    "the worker starts on an empty database",
    "waits and says so; works once there are tables",
    (SQLITE,),
)
def schema_empty(trial: Trial) -> Course:
    yield from _before_tables(trial, "", "The database has no tables yet.")


def _before_tables(trial: Trial, revision: str, words: str) -> Course:
    """A lab of its own, whose worker is there before the tables."""
    folder, url = trial.labs.bare("tables")
    if revision:
        upgrade(url, revision)
    with ExitStack() as stack:
        lab = FaultedLab(folder, url)
        stack.callback(lab.stop)
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in lab.environment.items():
            patch.setenv(name, value)
        lab.start_broker()
        lab.start_worker()
        eventually(lambda: words in lab.worker_log(), "the worker's words")
        trial.pause(AWAY[0])
        upgrade(url)
        seed(url)
        lab.start_web()
        trial.lab = lab
        run_id = trial.submit()
        yield
        if "Traceback" in lab.worker_log():
            trial.findings.append("the worker logged a traceback")
        trial.expect_attempts(run_id, 1)
