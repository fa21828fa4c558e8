"""A hub of event streams in the process of a test, and what its readers are told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Collection, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.orm import Session

from backend.db.session import make_engine, session_scope
from backend.domain.records import LogLine, MetricFrame
from backend.lifecycle import external_runs
from backend.metrics import service as series
from backend.people import service as people
from backend.run_page.other_streams import TableSource, TableStart
from backend.run_page.run_stream import Cursor, RunSource, RunStart
from backend.runs import logs
from backend.web import notify
from backend.web.live.hub import Hub, Timing
from backend.web.live.reader import Reader
from backend.web.live.slots import Slots
from backend.web.live.snapshots import Snapshots
from tests.support import asynchronous

BEGIN = RunStart(Cursor())
READERS = 40
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
