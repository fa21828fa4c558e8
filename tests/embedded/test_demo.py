"""The demo run of the first start: there is one, and it stands behind what people queue."""

from __future__ import annotations

from sqlalchemy import Engine

from backend.data import service as datasets
from backend.db.session import reading_scope, session_scope
from backend.domain.config.presets import quick
from backend.embedded.database import queue_demo
from backend.lifecycle import service as runs
from backend.runs import order_queries


def test_a_persons_own_run_is_taken_before_the_demo(engine: Engine) -> None:
    with session_scope(engine) as session:
        datasets.seed_built_in(session)

    demo = queue_demo(engine)
    with session_scope(engine) as session:
        own = runs.create(session, quick()).id

    with reading_scope(engine) as session:
        assert [run.id for run in order_queries.queued(session)] == [own, demo]
    assert queue_demo(engine) == ""
