"""/api/v1/runs/{id}/log, /history: what a run left behind line by line; /api/v1/log: the logs of all runs."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from pydantic import ConfigDict, Field

from backend.db.session import reading_scope
from backend.domain.log_levels import Level
from backend.kit.model import Model
from backend.lifecycle import service as runs
from backend.runs import events, logs
from backend.web.deps import Database, RunId
from backend.web.errors import responses
from backend.web.routing import VIEWER, Router

router = Router(reads=VIEWER, tags=["runs"], responses=responses(401, 404))

Text = Annotated[
    str, Query(max_length=200, description="Only lines that hold this text, in upper or lower case.")
]
Least = Annotated[Level, Query(description="Only lines at least as grave: info, warning, error.")]


class Row(Model):
    """Base of views that are read off a row."""

    model_config = ConfigDict(from_attributes=True)


class LogLineView(Row):
    """One line of a log."""

    id: int
    wall_time: float
    level: str = Field(examples=["info"])
    text: str


class LogPage(Model):
    """Lines, oldest first; pass `last_id` as `after` for what comes next."""

    lines: list[LogLineView]
    last_id: int


class FoundLine(LogLineView):
    """A line, and the run whose it is."""

    run_id: str
    run_name: str


class FoundLines(Model):
    """Lines of all runs, newest first; pass `next` as `before` for older ones. None: there are no more."""

    lines: list[FoundLine]
    next: int | None


class EventView(Row):
    """Something that happened to a run: queued, claimed, interrupted, resumed, cancelled."""

    id: int
    wall_time: float
    kind: str
    text: str
    data: dict[str, Any]


@router.get("/log")
def search_logs(
    engine: Database,
    contains: Text = "",
    level: Least = "info",
    before: Annotated[int | None, Query(ge=0, description="Id of the last line already known.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> FoundLines:
    """The newest lines of all runs' logs that hold a text."""
    with reading_scope(engine) as session:
        found = logs.of_all_runs(session, contains, level, before, limit)
        lines = [
            FoundLine(**LogLineView.model_validate(line).model_dump(), run_id=line.run_id, run_name=name)
            for line, name in found
        ]
    return FoundLines(lines=lines, next=lines[-1].id if len(lines) == limit else None)


@router.get("/runs/{run_id}/log")
def read_log(
    run_id: RunId,
    engine: Database,
    after: Annotated[int | None, Query(ge=0, description="Id of the last line already known.")] = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 500,
    contains: Text = "",
    level: Least = "info",
) -> LogPage:
    """The newest lines of the log, or those after a line; of all, or of those that hold a text."""
    with reading_scope(engine) as session:
        runs.check_exists(session, run_id)
        found = logs.tail(session, run_id, after, limit, contains, level)
        lines = [LogLineView.model_validate(line) for line in found]
    return LogPage(lines=lines, last_id=lines[-1].id if lines else after or 0)


@router.get("/runs/{run_id}/history")
def read_history(run_id: RunId, engine: Database) -> list[EventView]:
    """What happened to the run, oldest first."""
    with reading_scope(engine) as session:
        runs.check_exists(session, run_id)
        return [EventView.model_validate(event) for event in events.list(session, run_id)]
