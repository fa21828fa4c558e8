"""Sessions: committed once at the edge, writers in line, readers undisturbed."""

from __future__ import annotations

import threading
from contextlib import suppress

import pytest
from sqlalchemy import Engine, update
from sqlalchemy.exc import DBAPIError

from backend.db.session import reading_scope, session_scope
from backend.kit.errors import EtrmError
from backend.runs import queries as runs
from backend.runs.status import RunStatus
from backend.runs.tables import Run
from tests.support.records.rows import add_run


def test_a_scope_commits_when_it_ends(engine: Engine) -> None:
    add_run(engine, "aaaaaaaaaa")
    with reading_scope(engine) as session:
        assert runs.get(session, "aaaaaaaaaa") is not None


def test_a_scope_that_raises_leaves_nothing(engine: Engine) -> None:
    with suppress(KeyError), session_scope(engine) as session:
        runs.add(session, Run(id="aaaaaaaaaa", name="", status=RunStatus.QUEUED, config={}, created_at=0.0))
        raise KeyError
    with reading_scope(engine) as session:
        assert runs.get(session, "aaaaaaaaaa") is None


def test_a_reading_scope_refuses_to_write(engine: Engine) -> None:
    add_run(engine, "aaaaaaaaaa")
    with pytest.raises((EtrmError, DBAPIError), match=r"read-?only"), reading_scope(engine) as session:
        session.execute(update(Run).values(name="x"))
    with session_scope(engine) as session:  # and the connection can write again
        session.execute(update(Run).values(name="x"))


def test_a_reader_sees_one_snapshot_while_another_writes(engine: Engine) -> None:
    add_run(engine, "aaaaaaaaaa")
    with reading_scope(engine) as reading:
        before = len(runs.newest(reading, 10))
        add_run(engine, "bbbbbbbbbb")  # does not wait for the reader
        assert len(runs.newest(reading, 10)) == before == 1
    with reading_scope(engine) as reading:
        assert len(runs.newest(reading, 10)) == 2


def test_writers_that_read_first_wait_for_each_other(engine: Engine) -> None:
    add_run(engine, "aaaaaaaaaa")

    def count_up() -> None:
        for _ in range(20):
            with session_scope(engine) as session:
                runs.get(session, "aaaaaaaaaa")
                session.execute(update(Run).values(attempt=Run.attempt + 1))

    threads = [threading.Thread(target=count_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with reading_scope(engine) as session:
        run = runs.get(session, "aaaaaaaaaa")
    assert run is not None
    assert run.attempt == 80


def test_text_no_database_can_hold_is_kept_readable(engine: Engine) -> None:
    add_run(engine, "aaaaaaaaaa", name="a\x00b\ud800c é 😀")
    with reading_scope(engine) as session:
        run = runs.get(session, "aaaaaaaaaa")
    assert run is not None
    assert run.name == "a\ufffdb\ufffdc é 😀"
