"""Event streams in one process: work per change and not per reader, and every change once and in order."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.orm import Session

from backend.db.session import make_engine, session_scope
from backend.domain.people import Role
from backend.domain.records import LogLine, MetricFrame
from backend.kit.errors import NotFound, TooManyRequests
from backend.lifecycle import external_runs
from backend.lifecycle import service as runs
from backend.metrics import service as series
from backend.people import service as people
from backend.queue.stream import QueueSource
from backend.run_page import run_stream
from backend.run_page.other_streams import TableSource, TableStart
from backend.run_page.run_stream import Cursor, RunSource, RunStart
from backend.runs import logs
from backend.web import notify
from backend.web.live import reader as readers
from backend.web.live.hub import Hub, Timing
from backend.web.live.reader import Reader
from backend.web.live.slots import Slots
from backend.web.live.snapshots import Snapshots
from tests.support import asynchronous

READERS = 40
BEGIN = RunStart(Cursor())
SELDOM = Timing(heartbeat=3600, poll=3600)  # only what a test does itself

Told = list[tuple[str, Any, str]]  # kind, data, id


class Streams:
    """A hub on a database without a broker, whose questions to the database are counted."""

    def __init__(self, url: str, timing: Timing = SELDOM, slots: Slots | None = None) -> None:
        self.asked: list[str] = []
        engine = make_engine(url)
        event.listen(engine, "before_cursor_execute", self._note)
        self.hub = Hub(Snapshots(engine), slots or Slots(1000, 1000), valid, timing)

    def _note(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith(("PRAGMA", "BEGIN", "SELECT pg_current_snapshot")):
            self.asked.append(statement)

    async def of_run(self, run: str, start: RunStart = BEGIN, owner: str = "ada") -> Reader:
        return await self.hub.open(owner, "", ("run", run), lambda: RunSource(run), start)

    async def of_table(self, changes_only: bool = True) -> Reader:
        return await self.hub.open("ada", "", "table", TableSource, TableStart(changes_only))


def valid(session: Session, credentials: Collection[str]) -> set[str]:
    """As the lab does it; the empty one, of most tests' readers, needs no account."""
    named = set(credentials) - {""}
    return {""} | (people.valid_credentials(session, named) if named else set())


@pytest.fixture(autouse=True)
def no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is announced reaches the hub of this process alone, and at once."""
    monkeypatch.delenv("ETRM_BROKER_URL", raising=False)


@asynccontextmanager
async def opened(url: str, timing: Timing = SELDOM, slots: Slots | None = None) -> AsyncIterator[Streams]:
    streams = Streams(url, timing, slots)
    try:
        yield streams
    finally:
        await streams.hub.close()


def run(test: Coroutine[Any, Any, None]) -> None:
    asynchronous.run(asyncio.wait_for(test, 120))


def external(engine: Engine) -> str:
    with session_scope(engine) as session:
        return external_runs.create(session, "mine", {}).id


def write(engine: Engine, run_id: str, step: int) -> None:
    with session_scope(engine) as session:
        series.append(session, run_id, MetricFrame([step], [1.0], {"loss": [float(step)]}))
    notify.run_changed(run_id)


def say(engine: Engine, run_id: str, *texts: str) -> None:
    with session_scope(engine) as session:
        logs.append(session, run_id, [LogLine(1.0, "info", text) for text in texts])
    notify.run_changed(run_id)


def finish(engine: Engine, run_id: str) -> None:
    with session_scope(engine) as session:
        external_runs.finish(session, run_id)
    notify.changed(run_id)


async def told(reader: Reader) -> Told:
    """The next events of a reader; none at its end."""
    while (chunk := await reader.next()) is not None:
        if events := parsed(chunk):
            return events
    return []


def parsed(chunk: bytes) -> Told:
    events: Told = []
    for block in chunk.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "event" in fields:
            events.append((fields["event"], json.loads(fields["data"]), fields.get("id", "")))
    return events


async def until(reader: Reader, is_last: Callable[[Told], bool]) -> Told:
    """Everything told up to where `is_last` holds."""
    seen: Told = []
    while not is_last(seen):
        events = await told(reader)
        assert events, f"the stream ended after {seen}"
        seen += events
    return seen


def steps_in(events: Told) -> list[int]:
    return [step for kind, data, _ in events if kind == "points" for step in data["series"]["loss"]["step"]]


def lines_in(events: Told) -> list[str]:
    return [line["text"] for kind, data, _ in events if kind == "log" for line in data["lines"]]


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


def test_a_change_costs_the_same_for_one_reader_and_for_many(engine: Engine, database_url: str) -> None:
    async def asked(count: int) -> int:
        run_id = external(engine)
        async with opened(database_url) as streams:
            followers = [await streams.of_run(run_id) for _ in range(count)]
            for reader in followers:
                await told(reader)
            streams.asked.clear()
            write(engine, run_id, 1)
            for reader in followers:
                events = await until(reader, lambda seen: bool(seen) and seen[-1][0] == "status")
                assert [kind for kind, _, _ in events] == ["points", "status"]
            return len(streams.asked)

    async def live() -> None:
        assert await asked(1) == await asked(READERS) > 0

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


async def heartbeats(followers: Sequence[Reader]) -> None:
    """One of each."""
    for reader in followers:
        await until(reader, lambda seen: any(kind == "heartbeat" for kind, _, _ in seen))


def test_while_nothing_changes_no_stream_asks_the_database(engine: Engine, database_url: str) -> None:
    async def live() -> None:
        run_id = external(engine)
        async with opened(database_url, Timing(heartbeat=0.2, poll=0.02)) as streams:
            followers = [await streams.of_run(run_id) for _ in range(READERS)]
            followers += [await streams.of_table() for _ in range(READERS)]
            followers += [
                await streams.hub.open("ada", "", "queue", QueueSource, None) for _ in range(READERS)
            ]
            await heartbeats(followers)  # by then what they were opened with is told
            streams.asked.clear()
            for _ in range(3):
                await heartbeats(followers)
            assert streams.asked == []
            late = await streams.of_run(run_id)
            assert [kind for kind, _, _ in await told(late)] == ["status"]
            assert streams.asked == []  # who comes later is told from memory

    run(live())


def test_who_may_still_read_is_one_question_for_all(engine: Engine, database_url: str) -> None:
    async def live() -> None:
        run_id = external(engine)
        with session_scope(engine) as session:
            people.add_person(session, "ada", Role.VIEWER)
            secrets = {name: people.create_token(session, name, "ada") for name in "ab"}
        async with opened(database_url, Timing(heartbeat=0.2, poll=3600)) as streams:
            followers = {name: list[Reader]() for name in secrets}
            for name, secret in secrets.items():
                credential = people.token_credential(secret)
                for _ in range(READERS):
                    reader = await streams.hub.open(
                        "ada", credential, ("run", run_id), lambda: RunSource(run_id), BEGIN
                    )
                    followers[name].append(reader)
            streams.asked.clear()
            await until(followers["a"][0], lambda seen: [kind for kind, _, _ in seen].count("heartbeat") == 3)
            assert 1 <= len(streams.asked) <= 4
            with session_scope(engine) as session:
                people.revoke_token(session, "a")
            for reader in followers["a"]:
                while await told(reader):
                    pass
            write(engine, run_id, 1)
            for reader in followers["b"]:
                assert steps_in(await until(reader, lambda seen: bool(steps_in(seen)))) == [1]

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


def test_a_reader_who_does_not_read_is_told_to_come_again_and_holds_up_nobody(
    engine: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "MAX_WAITING", 5000)

    async def live() -> None:
        run_id = external(engine)
        async with opened(database_url) as streams:
            slow, quick = await streams.of_run(run_id), await streams.of_run(run_id)
            seen: Told = []
            for number in range(10):
                say(engine, run_id, f"{number}" * 1000)
                seen += await until(quick, lambda events: bool(lines_in(events)))
            assert len(lines_in(seen)) == 10
            assert [kind for kind, _, _ in await told(slow)] == ["refresh"]
            assert await told(slow) == []

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


def test_what_is_refused_takes_no_place(engine: Engine, database_url: str) -> None:
    async def live() -> None:
        run_id = external(engine)
        async with opened(database_url, slots=Slots(3, 2)) as streams:
            for _ in range(5):
                with pytest.raises(NotFound, match="nosuchrun0"):
                    await streams.of_run("nosuchrun0")
            first = await streams.of_run(run_id)
            await streams.of_run(run_id)
            with pytest.raises(TooManyRequests, match="ada already has 2"):
                await streams.of_run(run_id)
            await streams.of_run(run_id, owner="bob")
            with pytest.raises(TooManyRequests, match="server already has 3"):
                await streams.of_run(run_id, owner="bob")
            streams.hub.leave(first)
            streams.hub.leave(first)  # once more changes nothing
            await streams.of_run(run_id)
            with pytest.raises(TooManyRequests):
                await streams.of_run(run_id)

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
