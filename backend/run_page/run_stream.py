"""One run, as its event stream tells it: points, log lines, evaluations and status, each when it changes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.orm import Session

from backend.kit.errors import NotFound
from backend.kit.problems import invalid_query
from backend.lifecycle import service as runs
from backend.metrics import service as series
from backend.metrics.service import Change
from backend.run_page.logs_api import LogLineView
from backend.run_page.series_api import shipped
from backend.run_view.views import RunView, until_now
from backend.runs import logs
from backend.runs.status import RunStatus
from backend.runs.tables import LogLine
from backend.web import notify
from backend.web.live.packets import packet
from backend.web.live.source import First

LINES = 1000  # most log lines of one event
WAITING_AGES = 15.0  # seconds: why a run waits changes when a worker falls silent, unwritten
VIEW_EVERY = 1.0  # seconds between two readings of a run while points come, which are sent meanwhile
VIEW_REST = 20.0  # times as long as a reading took, at least: a busy server reads more seldom
SILENT_AGES = 5.0  # seconds: a script that misses its heartbeat is silent, unwritten


@dataclass(frozen=True)
class Cursor:
    """What a reader has seen: the series up to a version, the log up to a line."""

    version: int = 0
    log_id: int = 0

    @classmethod
    def of(cls, text: str) -> Cursor:
        """Read `VERSION.LOG_ID`; InvalidInput for anything else."""
        version, _, log_id = text.partition(".")
        if len(text) > 30 or not (version.isdecimal() and (log_id or "0").isdecimal()):
            raise invalid_query("cursor", "Invalid cursor.", "It is VERSION.LOG_ID, for example 12.340.")
        return cls(int(version), int(log_id or 0))

    def __str__(self) -> str:
        return f"{self.version}.{self.log_id}"


@dataclass(frozen=True)
class RunStart:
    """Where a reader of a run begins."""

    cursor: Cursor
    known: str = ""  # the `state` of the run that is shown already: it is not sent


class RunSource:
    """One run; points come before the status they led to, and `end` after everything."""

    pause = 0.2

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self.channel = notify.channel_of(run_id)
        self.over = self.has_more = False
        self._cursor = Cursor()
        self._run: RunView | None = None  # when it was last read
        self._read_again = 0.0  # from when on, by the monotonic clock
        self._sent: dict[str, Any] = {}  # the parts of it, each as it was told
        self._was_there = self._points_came = False

    @property
    def ages(self) -> float | None:
        """A queued run waits for reasons that change by themselves, and so does what is heard of a script."""
        if self._run is None:
            return None
        if self._run.heartbeat is not None:
            return SILENT_AGES
        return WAITING_AGES if self._run.status == RunStatus.QUEUED else None

    def look(self, session: Session) -> list[bytes]:
        """What one snapshot of the database has that was not told.

        While points come, a reading of all that is known of the run waits for a pause, for a second or for
        twenty times as long as it takes: that is many times as long as the points take.
        """
        events = self._news(session) if self._was_there else []
        started = time.monotonic()
        if self._points_came and started < self._read_again:
            self.has_more = True
            return events
        try:
            run = runs.get(session, self._run_id)
        except NotFound:
            self._run, self.over, self.has_more = None, True, False
            return [packet("end", {"deleted": True})] if self._was_there else []
        is_first, self._was_there = not self._was_there, True
        if is_first:
            last = logs.tail(session, self._run_id, limit=1)
            self._cursor = Cursor(series.version(session, self._run_id), last[-1].id if last else 0)
        changed = self._changed_parts(run)
        self._run = run
        self._read_again = started + max(VIEW_EVERY, VIEW_REST * (time.monotonic() - started))
        self.over = run.status.is_over and not self.has_more
        return [] if is_first else [*events, *changed, *self._end(run)]

    def first(self, session: Session, start: RunStart) -> First:
        """What the reader has not seen; of a long log, a part and where to continue. NotFound."""
        run = self._run or runs.get(session, self._run_id)
        change, lines = None, list[LogLine]()
        if start.cursor.version < self._cursor.version:
            change = series.since(session, self._run_id, start.cursor.version)
        if start.cursor.log_id < self._cursor.log_id:
            tail = logs.tail(session, self._run_id, start.cursor.log_id, LINES)
            lines = [line for line in tail if line.id <= self._cursor.log_id]
        reached = replace(self._cursor, log_id=lines[-1].id) if lines else self._cursor
        packets = _events(change, lines, reached)
        if reached != self._cursor:
            return First(packets, RunStart(reached, start.known))
        parts = [] if start.known and start.known == run.state else self._all_parts(run)
        return First([*packets, *parts, *self._end(run)])

    def _news(self, session: Session) -> list[bytes]:
        change = series.since(session, self._run_id, self._cursor.version)
        lines = logs.tail(session, self._run_id, self._cursor.log_id, LINES)
        last_line = lines[-1].id if lines else self._cursor.log_id
        self._cursor = Cursor(max(change.version, self._cursor.version), last_line)
        self.has_more = len(lines) == LINES
        self._points_came = bool(change.curves)
        return _events(change, lines, self._cursor)

    def _changed_parts(self, run: RunView) -> list[bytes]:
        parts = {f"evaluation {result.id}": result.model_dump(mode="json") for result in run.results}
        status = run.model_dump(mode="json")
        steady = {key: value for key, value in status.items() if key != "duration"}
        events = [
            self._event("evaluation", part) for key, part in parts.items() if self._sent.get(key) != part
        ]
        if self._sent.get("status") != steady:
            events.append(self._event("status", status))
        self._sent = {**parts, "status": steady}
        return events

    def _all_parts(self, run: RunView) -> list[bytes]:
        results = [self._event("evaluation", part) for key, part in self._sent.items() if key != "status"]
        return [*results, self._event("status", until_now(run.model_dump(mode="json")))]

    def _end(self, run: RunView) -> list[bytes]:
        return [self._event("end", {"status": run.status})] if self.over else []

    def _event(self, kind: str, data: Any) -> bytes:
        return packet(kind, data, str(self._cursor))


def _events(change: Change | None, lines: Sequence[LogLine], cursor: Cursor) -> list[bytes]:
    events = []
    if change is not None and change.curves:
        curves = {name: shipped(curve) for name, curve in change.curves.items()}
        events.append(packet("points", {"version": change.version, "series": curves}, str(cursor)))
    if lines:
        shown = [LogLineView.model_validate(line).model_dump() for line in lines]
        events.append(packet("log", {"lines": shown}, str(cursor)))
    return events
