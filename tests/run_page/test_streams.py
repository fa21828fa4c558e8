"""What event streams tell: every change once and in order, whoever joins when."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from backend.db.session import session_scope
from backend.lifecycle import service as runs
from backend.run_page import run_stream
from backend.run_page.run_stream import Cursor, RunSource, RunStart
from backend.web import notify
from backend.web.live.hub import Timing
from tests.support.streams import (
    READERS,
    external,
    finish,
    lines_in,
    opened,
    run,
    say,
    steps_in,
    told,
    until,
    write,
)

pytestmark = pytest.mark.usefixtures("no_broker")


def test_every_reader_gets_every_change_once_and_in_order(engine: Engine, database_url: str) -> None:
    async def live() -> None:
        run_id = external(engine)
        async with opened(database_url) as streams:
            followers = [await streams.of_run(run_id) for _ in range(READERS)]
            for step in range(1, 9):
                write(engine, run_id, step)
                if step % 2:
                    say(engine, run_id, f"line {step}")
                if step == 4:  # more of them come in the midst of it
                    followers += [await streams.of_run(run_id) for _ in range(5)]
            for reader in followers:
                events = await until(reader, lambda seen: 8 in steps_in(seen))
                assert steps_in(events) == [1, 2, 3, 4, 5, 6, 7, 8]
                assert lines_in(events) == ["line 1", "line 3", "line 5", "line 7"]
            finish(engine, run_id)
            for reader in followers:
                events = await until(reader, lambda seen: bool(seen) and seen[-1][0] == "end")
                assert events[-2][1]["status"] == "finished"
                assert await told(reader) == []

    run(live())


def test_points_are_told_before_the_run_is_read(
    engine: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RunSource, "pause", 1.0)
    monkeypatch.setattr(run_stream, "VIEW_EVERY", 3600.0)

    async def live() -> None:
        run_id = external(engine)
        async with opened(database_url) as streams:
            reader = await streams.of_run(run_id)
            await told(reader)
            streams.asked.clear()
            write(engine, run_id, 1)
            assert [kind for kind, _, _ in await told(reader)] == ["points"]
            assert len(streams.asked) == 3  # its version, its points, its log
            (status,) = await told(reader)  # in the first pause
            assert (status[0], status[1]["metrics"]["loss"]["step"]) == ("status", 1)
            finish(engine, run_id)
            events = await until(reader, lambda seen: bool(seen) and seen[-1][0] == "end")
            assert events[-2][1]["status"] == "finished"

    run(live())


def test_what_no_notification_told_of_is_seen_by_one_poll(
    engine: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def live() -> None:
        run_id = external(engine)
        async with opened(database_url, Timing(heartbeat=3600, poll=0.02)) as streams:
            reader, of_table = await streams.of_run(run_id), await streams.of_table()
            await told(reader)
            monkeypatch.setattr(notify, "_publish", lambda *_: None)
            write(engine, run_id, 1)
            assert steps_in(await told(reader)) == [1]
            finish(engine, run_id)
            (kind, row, _), *_ = await told(of_table)
            assert (kind, row["id"]) == ("status", run_id)

    run(live())


def test_who_connects_again_with_the_last_id_misses_nothing(engine: Engine, database_url: str) -> None:
    async def live() -> None:
        run_id = external(engine)
        async with opened(database_url) as streams:
            reader, other = await streams.of_run(run_id), await streams.of_run(run_id)
            write(engine, run_id, 1)
            say(engine, run_id, "one")
            events = await until(reader, lambda seen: bool(lines_in(seen) and steps_in(seen)))
            streams.hub.leave(reader)
            write(engine, run_id, 2)
            say(engine, run_id, "two")
            await until(other, lambda seen: lines_in(seen) == ["one", "two"] and steps_in(seen) == [1, 2])
            again = await streams.of_run(run_id, RunStart(Cursor.of(events[-1][2])))
            missed = await told(again)
            assert (steps_in(missed), lines_in(missed)) == ([2], ["two"])
            write(engine, run_id, 3)
            assert steps_in(await told(again)) == [3]

    run(live())


def test_a_long_log_comes_in_parts_and_whole(
    engine: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_stream, "LINES", 3)

    async def live() -> None:
        run_id = external(engine)
        texts = [f"line {number}" for number in range(10)]
        say(engine, run_id, *texts[:5])
        async with opened(database_url) as streams:
            early = await streams.of_run(run_id)
            say(engine, run_id, *texts[5:])
            finish(engine, run_id)
            late = await streams.of_run(run_id)
            for reader in (early, late):
                events = await until(reader, lambda seen: bool(seen) and seen[-1][0] == "end")
                assert lines_in(events) == texts

    run(live())


def test_the_table_tells_changes_and_what_is_gone(engine: Engine, database_url: str) -> None:
    async def live() -> None:
        run_id = external(engine)
        async with opened(database_url) as streams:
            everything, changes = await streams.of_table(changes_only=False), await streams.of_table()
            assert [data["id"] for _, data, _ in await told(everything)] == [run_id]
            finish(engine, run_id)
            for reader in (everything, changes):
                ((kind, row, _),) = await told(reader)
                assert (kind, row["status"], "config" in row) == ("status", "finished", False)
            with session_scope(engine) as session:
                runs.delete(session, run_id)
            notify.changed(run_id)
            assert (await told(changes))[0][:2] == ("deleted", {"id": run_id})

    run(live())


def test_all_streams_end_when_the_server_stops(engine: Engine, database_url: str) -> None:
    async def live() -> None:
        run_id = external(engine)
        async with opened(database_url) as streams:
            followers = [await streams.of_run(run_id) for _ in range(READERS)]
            streams.hub.end_all()
            for reader in followers:
                assert [kind for kind, _, _ in await told(reader)] == ["status"]
                assert await told(reader) == []

    run(live())
