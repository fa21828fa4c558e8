"""/api/v1/workers and /queue: who works on what, and what waits and why."""

from __future__ import annotations

import time

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from backend.api.deps import Database
from backend.api.errors import responses
from backend.db.session import reading_scope
from backend.services import runs, workers
from backend.services.run_search import MOST
from backend.services.run_view import RunView

router = APIRouter(tags=["queue"], responses=responses(401))


class WorkerView(BaseModel):
    """A worker as of its last heartbeat. Times are seconds since the Unix epoch."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    host: str
    pid: int
    device: str = Field(examples=["cuda"])
    device_name: str
    memory_bytes: int = Field(description="Of the device: GPU memory, or the machine's.")
    current_run_id: str | None
    started_at: float
    heartbeat_at: float
    alive: bool


class QueueView(BaseModel):
    """Waiting runs, the next one first; each `waiting_reason` says why it waits."""

    runs: list[RunView]
    workers: list[WorkerView]


@router.get("/workers")
def list_workers(engine: Database) -> list[WorkerView]:
    """All workers that reported within a day."""
    with reading_scope(engine) as session:
        return [WorkerView.model_validate(each) for each in workers.listed(session, time.time())]


@router.get("/queue")
def read_queue(engine: Database) -> QueueView:
    """What waits, in the order in which it will be taken, and who could take it."""
    with reading_scope(engine) as session:
        waiting = runs.find(session, limit=MOST, status="queued", sort="created", metrics=())
        listed = [WorkerView.model_validate(each) for each in workers.listed(session, time.time())]
    return QueueView(runs=waiting.runs, workers=listed)
