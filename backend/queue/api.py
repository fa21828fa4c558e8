"""/api/v1/workers and /queue: who works on what, what waits and why, and the order in which it is taken."""

from __future__ import annotations

from fastapi.responses import Response
from pydantic import Field

from backend.db.session import reading_scope, session_scope
from backend.people.streams import Live
from backend.queue import board as queue_board
from backend.queue import order as queue_order
from backend.queue import wait as queue_wait
from backend.queue.stream import QueueSource
from backend.queue.views import QueueView, WorkerView, view_of
from backend.queue.wait import WaitView
from backend.web.deps import Database, RunId, announce
from backend.web.errors import responses
from backend.web.inputs import Input
from backend.web.live.response import EventStream
from backend.web.routing import EDITOR, VIEWER, Router
from backend.workers import service as workers

router = Router(reads=VIEWER, writes=EDITOR, tags=["queue"], responses=responses(401))


class Move(Input):
    """Where a waiting run is put."""

    position: int = Field(ge=1, description="1 is next; beyond the end means last.")


class Priority(Input):
    """How urgent a waiting run is."""

    priority: str = Field(json_schema_extra={"enum": [*queue_order.PRIORITIES]})


@router.get("/workers")
def list_workers(engine: Database) -> list[WorkerView]:
    """All workers that reported within a day."""
    with reading_scope(engine) as session:
        return [WorkerView.model_validate(each) for each in workers.listed(session)]


@router.get("/queue")
def read_queue(engine: Database) -> QueueView:
    """What waits, in the order in which it will be taken, what runs, evaluations, and who could take it."""
    with reading_scope(engine) as session:
        return view_of(queue_board.read(session))


@router.get("/queue/wait")
def read_wait(engine: Database) -> WaitView:
    """When a run that is launched now would start."""
    with reading_scope(engine) as session:
        return queue_wait.of(session)


@router.get("/queue/events", response_class=EventStream, responses=responses(429))
async def follow_queue(streams: Live) -> Response:
    """`queue`: ids of what waits, runs and ended, evaluations, workers; at the start and on every change."""
    return await streams.open(QueueSource(), "queue")


@router.post("/queue/{run_id}/move", responses=responses(404, 409, 422))
def move_run(run_id: RunId, body: Move, engine: Database) -> QueueView:
    """Put a waiting run at another place of the queue."""
    with session_scope(engine) as session:
        queue_order.move(session, run_id, body.position)
    announce(run_id)
    return read_queue(engine)


@router.post("/queue/{run_id}/priority", responses=responses(404, 409, 422))
def prioritise_run(run_id: RunId, body: Priority, engine: Database) -> QueueView:
    """Give a waiting run another priority; it goes behind those that have it already."""
    with session_scope(engine) as session:
        queue_order.prioritise(session, run_id, body.priority)
    announce(run_id)
    return read_queue(engine)
