"""Readers outside a snapshot: what another process commits between two of their queries breaks none.

On PostgreSQL every statement of a transaction that writes sees what is committed by then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Engine, delete, event
from sqlalchemy.orm import Session

from backend.data import service as datasets
from backend.db.session import make_engine, session_scope
from backend.domain.config.presets import quick
from backend.domain.sweeps import parse_sweep
from backend.groups import service as groups
from backend.lifecycle import service as runs
from backend.queue import board as queue_board
from backend.queue import claims as queue
from backend.queue import wait as queue_wait
from backend.runs.group_tables import RunGroup
from backend.runs.tables import Run
from backend.runs_table import search as run_search
from backend.workers import service as workers

FIRST, SECOND = "aaaaaaaaaa", "bbbbbbbbbb"


@pytest.fixture
def postgres(postgres_url: str) -> Iterator[Engine]:
    engine = make_engine(postgres_url)
    with session_scope(engine) as session:
        datasets.seed_built_in(session)
    yield engine
    engine.dispose()


@pytest.fixture
def other(postgres_url: str) -> Iterator[Engine]:
    """Another process on the same database."""
    engine = make_engine(postgres_url)
    yield engine
    engine.dispose()


def fill(engine: Engine) -> None:
    """Two runs wait, and a worker is alive."""
    with session_scope(engine) as session:
        session.execute(delete(Run))
        session.execute(delete(RunGroup))
        for at, run_id in enumerate((FIRST, SECOND)):
            session.add(runs.new_run(quick(), id=run_id, created_at=float(at)))
        workers.beat(session, workers.WorkerBeat("w.1.1.1", "w", 1, "cpu", "", 1, None, 0.0))


READERS: dict[str, Callable[[Session], object]] = {
    "POST /runs": lambda session: runs.create(session, quick()),
    "clone": lambda session: runs.clone(session, SECOND),
    "get": lambda session: runs.get(session, FIRST),
    "cancel": lambda session: runs.request_cancel(session, SECOND),
    "list": lambda session: run_search.find(session),
    "sweep": lambda session: groups.create(session, quick(), parse_sweep({"seeds": 2})),
    "board": lambda session: queue_board.read(session),
    "wait": lambda session: queue_wait.of(session),
}


@pytest.mark.parametrize("name", READERS)
def test_a_claim_between_any_two_statements_of_a_reader_breaks_it_not(
    postgres: Engine, other: Engine, name: str
) -> None:
    statements = pause = 0
    claimed = True

    def claim_at_the_pause(*_event: object) -> None:
        nonlocal statements, claimed
        if statements == pause:
            with session_scope(other) as session:
                claimed = queue.claim(session, None, "w.1.1.1") is not None
        statements += 1

    event.listen(postgres, "after_cursor_execute", claim_at_the_pause)
    while claimed:
        fill(other)
        statements, claimed = 0, False
        with session_scope(postgres) as session:
            READERS[name](session)
        pause += 1
    assert pause > 2  # it did pause between statements
