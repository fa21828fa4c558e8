"""What waits for the database is bounded, and says what it waited for."""

from __future__ import annotations

import dataclasses
import sqlite3
import threading
import time
from contextlib import closing

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import InternalError

from backend.db import waits
from backend.db.session import make_engine, reading_scope, session_scope, write_in_passing
from backend.kit.errors import Unavailable

QUICK = dataclasses.replace(waits.of_pages(0.3, statement=1.0), connections=1, writer=0.5)
DELETE = text("DELETE FROM run")


def test_connections_that_are_all_in_use_are_waited_for_within_the_bound(database_url: str) -> None:
    engine = make_engine(database_url, QUICK)
    with reading_scope(engine) as session:
        session.connection()
        began = time.monotonic()
        with pytest.raises(Unavailable, match="in use"), reading_scope(engine) as other:
            other.connection()
        assert time.monotonic() - began < 5
    engine.dispose()


def test_a_statement_over_its_bound_is_ended_and_the_connection_works_on(postgres_url: str) -> None:
    engine = make_engine(postgres_url, QUICK)
    with pytest.raises(Unavailable, match="longer than"), reading_scope(engine) as session:
        session.execute(text("SELECT pg_sleep(60)"))
    with reading_scope(engine) as session:
        assert session.scalar(text("SELECT 1")) == 1
    engine.dispose()


def test_a_write_in_a_reading_scope_stays_a_mistake_of_ours(postgres_url: str) -> None:
    engine = make_engine(postgres_url)
    with pytest.raises(InternalError), reading_scope(engine) as session:
        session.execute(DELETE)
    engine.dispose()


def test_writers_behind_one_that_waits_in_vain_give_up_and_all_go_on_afterwards(sqlite_url: str) -> None:
    engine = make_engine(sqlite_url, dataclasses.replace(QUICK, writer=3.0, connections=9))
    ends: list[float] = []

    def write() -> None:
        began = time.monotonic()
        with pytest.raises(Unavailable), session_scope(engine) as session:
            session.execute(DELETE)
        ends.append(time.monotonic() - began)

    with closing(sqlite3.connect(str(make_url(sqlite_url).database), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        threads = [threading.Thread(target=write) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(ends)[-2] < 2.5  # all but the one that tried
        other.execute("COMMIT")
    with session_scope(engine) as session:
        session.execute(DELETE)
    engine.dispose()


def test_a_write_in_passing_is_left_out_where_the_database_is_locked(sqlite_url: str) -> None:
    engine: Engine = make_engine(sqlite_url)
    with closing(sqlite3.connect(str(make_url(sqlite_url).database), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        write_in_passing(engine, lambda session: session.execute(DELETE))
        assert time.monotonic() - began < 5  # others wait thirty
    engine.dispose()
