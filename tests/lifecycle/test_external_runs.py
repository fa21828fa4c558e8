"""A script that chose the id of its run may ask for it again, and change what it said of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import Engine

from backend.db.session import session_scope
from backend.domain.experiment import BarHypothesis
from backend.lifecycle import external_runs
from backend.runs import queries as run_rows
from tests.lifecycle.test_heartbeat import PROMISE, SLACK, hear, kinds, read

AT_ONCE = 4
RUN = "abcde12345"
CLAIM = BarHypothesis(claim="It learns.", measure="last(loss)")


def create(engine: Engine, seconds: float = PROMISE) -> str:
    with session_scope(engine) as session:
        return external_runs.create(session, "mine", {}, beat_seconds=seconds, run_id=RUN).id


def test_requests_at_once_for_one_id_make_one_run(engine: Engine) -> None:
    everybody = Barrier(AT_ONCE)

    def ask(_: int) -> str:
        everybody.wait(60)
        return create(engine)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        assert list(pool.map(ask, range(AT_ONCE))) == [RUN] * AT_ONCE
    assert kinds(engine, RUN) == ["started"]


def test_a_script_that_starts_again_makes_a_new_promise(engine: Engine) -> None:
    create(engine)
    create(engine, 3 * PROMISE)
    assert hear(engine, RUN) == pytest.approx(3 * PROMISE, abs=SLACK)


def test_the_verdict_column_follows_the_config(engine: Engine) -> None:
    create(engine)
    with session_scope(engine) as session:
        external_runs.set_config(session, RUN, {"hypothesis": CLAIM.model_dump(mode="json")})
    with session_scope(engine) as session:
        row, stated = run_rows.get(session, RUN), read(engine, RUN).hypothesis
    assert row
    assert stated
    assert row.verdict == stated.verdict == "open"
