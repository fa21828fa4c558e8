"""/api/v1/runs/{id}/log, /history: what a run left behind line by line."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from backend.db.session import reading_scope
from backend.lifecycle import service as runs
from backend.runs import events, logs
from backend.web.deps import Database, RunId
from backend.web.errors import responses
from backend.web.routing import VIEWER, Router

router = Router(reads=VIEWER, prefix="/runs/{run_id}", tags=["runs"], responses=responses(401, 404))


class Row(BaseModel):
    """Base of views that are read off a row."""

    model_config = ConfigDict(from_attributes=True)


class LogLineView(Row):
    """One line of a log."""

    id: int
    wall_time: float
    level: str = Field(examples=["info"])
    text: str


class LogPage(BaseModel):
    """Lines, oldest first; pass `last_id` as `after` for what comes next."""

    lines: list[LogLineView]
    last_id: int


class EventView(Row):
    """Something that happened to a run: queued, claimed, interrupted, resumed, cancelled."""

    id: int
    wall_time: float
    kind: str
    text: str
    data: dict[str, Any]


@router.get("/log")
def read_log(
    run_id: RunId,
    engine: Database,
    after: Annotated[int | None, Query(ge=0, description="Id of the last line already known.")] = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 500,
) -> LogPage:
    """The newest lines of the log, or those after a line."""
    with reading_scope(engine) as session:
        runs.check_exists(session, run_id)
        lines = [LogLineView.model_validate(line) for line in logs.tail(session, run_id, after, limit)]
    return LogPage(lines=lines, last_id=lines[-1].id if lines else after or 0)


@router.get("/history")
def read_history(run_id: RunId, engine: Database) -> list[EventView]:
    """What happened to the run, oldest first."""
    with reading_scope(engine) as session:
        runs.check_exists(session, run_id)
        return [EventView.model_validate(event) for event in events.list(session, run_id)]
