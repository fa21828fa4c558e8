"""Server-sent events: a run as it progresses, and the table of runs.

Every event of a run carries the cursor `VERSION.LOG_ID` as its id. A browser sends the last one back when it
connects again (`Last-Event-ID`), anybody else as `?cursor=`: what came in between is sent first, so nothing
is lost. A metric's point may come twice (written over, or delivered again); the later one counts. Every
stream sends `heartbeat` `{}` about every ten seconds: without it the connection is dead.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Header, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from sqlalchemy import Engine

from backend.db.session import reading_scope
from backend.evaluation import service as evaluations
from backend.evaluation.views import EvaluationView
from backend.kit.errors import NotFound
from backend.kit.problems import invalid_query
from backend.lifecycle import service as runs
from backend.metrics import service as series
from backend.run_page.logs_api import LogLineView
from backend.run_page.series_api import shipped
from backend.run_view.views import RunView
from backend.runs import logs
from backend.runs_table import search as run_search
from backend.web.deps import Database, EvaluationId, RunId
from backend.web.errors import responses
from backend.web.live import follow
from backend.web.routing import VIEWER, Router

router = Router(reads=VIEWER, tags=["events"])
LINES = 1000  # most log lines of one event
TABLE_ROWS = 200  # newest runs that the table's stream follows


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


class RunStream:
    """One run: points, log lines, evaluations and status, each when it changes."""

    pause = 0.2

    def __init__(self, engine: Engine, run_id: str, cursor: Cursor, known: str = "") -> None:
        self._engine = engine
        self._run_id = run_id
        self._cursor = cursor
        self._known = known
        self._sent: dict[str, Any] = {}
        self.over = False

    def check(self) -> None:
        """NotFound before the response begins, not in the middle of it."""
        with reading_scope(self._engine) as session:
            runs.check_exists(session, self._run_id)

    def look(self) -> list[ServerSentEvent]:
        """What one snapshot of the database has that was not sent; points before the status they led to."""
        try:
            with reading_scope(self._engine) as session:
                change = series.since(session, self._run_id, self._cursor.version)
                lines = logs.tail(session, self._run_id, self._cursor.log_id, LINES)
                shown = [LogLineView.model_validate(line).model_dump() for line in lines]
                run = runs.get(session, self._run_id)
        except NotFound:
            self.over = True
            return [ServerSentEvent(event="end", data={"deleted": True})]
        last_line = lines[-1].id if lines else self._cursor.log_id
        self._cursor = Cursor(max(change.version, self._cursor.version), last_line)
        events = []
        if change.curves:
            curves = {name: shipped(curve) for name, curve in change.curves.items()}
            events.append(self._event("points", {"version": change.version, "series": curves}))
        if shown:
            events.append(self._event("log", {"lines": shown}))
        events += self._changed_parts(run)
        self.over = run.status.is_over and len(shown) < LINES
        return [*events, self._event("end", {"status": run.status})] if self.over else events

    def _changed_parts(self, run: RunView) -> list[ServerSentEvent]:
        parts = {f"evaluation {result.id}": result.model_dump(mode="json") for result in run.results}
        status = run.model_dump(mode="json")
        steady = {key: value for key, value in status.items() if key != "duration"}
        events = [
            self._event("evaluation", part) for key, part in parts.items() if self._sent.get(key) != part
        ]
        if self._sent.get("status") != steady:
            events.append(self._event("status", status))
        is_known = not self._sent and run.state == self._known
        self._sent = {**parts, "status": steady}
        return [] if is_known else events

    def _event(self, kind: str, data: Any) -> ServerSentEvent:
        return ServerSentEvent(event=kind, data=data, id=str(self._cursor))


class TableStream:
    """The newest runs, each when it changes; config and traceback are left out."""

    over = False
    pause = 1.0

    def __init__(self, engine: Engine, changes_only: bool = False) -> None:
        self._engine = engine
        self._is_silent = changes_only
        self._sent: dict[str, dict[str, Any]] = {}

    def look(self) -> list[ServerSentEvent]:
        """The first look tells every run unless only changes are wanted, later ones what changed; `deleted`
        names runs that are gone.
        """
        with reading_scope(self._engine) as session:
            page = run_search.find(session, limit=TABLE_ROWS)
        rows = {run.id: run.model_dump(mode="json", exclude={"config", "traceback"}) for run in page.runs}
        events = [
            ServerSentEvent(event="status", data=row)
            for row in reversed(rows.values())
            if _steady(self._sent.get(row["id"])) != _steady(row)
        ]
        if page.next_cursor is None:  # else a missing run may only have left the newest ones
            gone = [run_id for run_id in self._sent if run_id not in rows]
            events += [ServerSentEvent(event="deleted", data={"id": run_id}) for run_id in gone]
        is_silent, self._is_silent, self._sent = self._is_silent, False, rows
        return [] if is_silent else events


class EvaluationStream:
    """One evaluation, when it changes."""

    pause = 0.5

    def __init__(self, engine: Engine, evaluation_id: int) -> None:
        self._engine = engine
        self._id = evaluation_id
        self._sent: dict[str, Any] = {}
        self.over = False
        self.run_id = self._read().run_id  # NotFound before the response begins

    def look(self) -> list[ServerSentEvent]:
        """The evaluation if it is not as it was; `end` once it is over."""
        try:
            view = self._read()
        except NotFound:
            self.over = True
            return [ServerSentEvent(event="end", data={"deleted": True})]
        shown = view.model_dump(mode="json")
        events = [ServerSentEvent(event="evaluation", data=shown)] if shown != self._sent else []
        self._sent = shown
        self.over = not view.is_active
        end = ServerSentEvent(event="end", data={"status": view.status})
        return [*events, end] if self.over else events

    def _read(self) -> EvaluationView:
        with reading_scope(self._engine) as session:
            return evaluations.get(session, self._id)


def _steady(row: dict[str, Any] | None) -> dict[str, Any] | None:
    """A row without what changes by itself as time goes by."""
    return {key: value for key, value in row.items() if key != "duration"} if row else None


def _run_stream(
    run_id: RunId,
    engine: Database,
    cursor: Annotated[str, Query(description="VERSION.LOG_ID; what comes after it is sent.")] = "0.0",
    known: Annotated[
        str, Query(max_length=64, description="The `state` of the run that is shown already: it is not sent.")
    ] = "",
    last_event_id: Annotated[str | None, Header()] = None,
) -> RunStream:
    stream = RunStream(engine, run_id, Cursor.of(last_event_id or cursor), known)
    stream.check()
    return stream


def _evaluation_stream(evaluation_id: EvaluationId, engine: Database) -> EvaluationStream:
    return EvaluationStream(engine, evaluation_id)


def _table_stream(
    engine: Database,
    changes_only: Annotated[bool, Query(description="Leave out how the runs are at the start.")] = False,
) -> TableStream:
    return TableStream(engine, changes_only)


@router.get("/runs/{run_id}/events", response_class=EventSourceResponse, responses=responses(401, 404, 422))
async def follow_run(
    run_id: RunId, request: Request, stream: Annotated[RunStream, Depends(_run_stream)]
) -> AsyncIterator[ServerSentEvent]:
    """A run as it progresses.

    - `points` `{"version", "series": {name: {"step", "value", "wall_time", "points", "nan_steps"}}}`
    - `log` `{"lines": [{"id", "wall_time", "level", "text"}]}`
    - `evaluation` one entry of the run's `results`
    - `status` the run, as `GET /api/v1/runs/{id}` gives it
    - `end` the run is over and everything was sent: close the connection
    """
    async for event in follow(stream, run_id, request.app.state.stopping):
        yield event


@router.get(
    "/evaluations/{evaluation_id}/events",
    response_class=EventSourceResponse,
    responses=responses(401, 404, 422),
)
async def follow_evaluation(
    request: Request, stream: Annotated[EvaluationStream, Depends(_evaluation_stream)]
) -> AsyncIterator[ServerSentEvent]:
    """An evaluation as it progresses: `evaluation` as `GET /api/v1/evaluations/{id}` gives it, then `end`."""
    async for event in follow(stream, stream.run_id, request.app.state.stopping):
        yield event


@router.get("/events", response_class=EventSourceResponse, responses=responses(401))
async def follow_runs(
    request: Request, stream: Annotated[TableStream, Depends(_table_stream)]
) -> AsyncIterator[ServerSentEvent]:
    """The table of runs: `status` (a run without config and traceback) at the start and on every change."""
    async for event in follow(stream, None, request.app.state.stopping):
        yield event
