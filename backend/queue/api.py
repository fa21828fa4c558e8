"""/api/v1/workers and /queue: who works on what, what waits and why, and the order in which it is taken."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import Depends, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import Field
from sqlalchemy import Engine

from backend.db.session import reading_scope, session_scope
from backend.evaluation.views import EvaluationView
from backend.queue import board as queue_board
from backend.queue import order as queue_order
from backend.queue import wait as queue_wait
from backend.queue.board import Board
from backend.queue.views import QueueView, WorkerView, view_of
from backend.queue.wait import WaitView
from backend.web.deps import Database, RunId, announce
from backend.web.errors import responses
from backend.web.inputs import Input
from backend.web.live import follow
from backend.web.routing import EDITOR, VIEWER, Router
from backend.workers import service as workers

router = Router(reads=VIEWER, writes=EDITOR, tags=["queue"], responses=responses(401))


class Move(Input):
    """Where a waiting run is put."""

    position: int = Field(ge=1, description="1 is next; beyond the end means last.")


class Priority(Input):
    """How urgent a waiting run is."""

    priority: Literal["high", "normal", "low"]


class QueueStream:
    """The queue, whole, whenever anything in it changes but the passing of time."""

    over = False
    pause = 1.0

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._sent: Any = None

    def look(self) -> list[ServerSentEvent]:
        with reading_scope(self._engine) as session:
            board = queue_board.read(session)
        steady = _steady(board)
        if steady == self._sent:
            return []
        self._sent = steady
        return [ServerSentEvent(event="queue", data=steady)]


def _steady(board: Board) -> dict[str, Any]:
    """What the queue is, in brief: enough to tell whether it changed, and how."""
    return {
        "waiting": [[each.run.id, each.priority, each.run.waiting_reason] for each in board.waiting],
        "running": [[run.id, run.status, run.progress.phase, run.progress.done] for run in board.running],
        "ended": [[run.id, run.status] for run in board.ended],
        "workers": [[each.id, each.alive, each.current_run_id] for each in board.workers],
        "evaluations": [_brief(each) for each in board.evaluations.all],
    }


def _brief(view: EvaluationView) -> list[Any]:
    at_work = [share.worker_id for share in view.compute.workers if share.active]
    return [view.id, view.status, view.waiting_reason, view.progress.batches_done, at_work]


def _stream(engine: Database) -> QueueStream:
    return QueueStream(engine)


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


@router.get("/queue/events", response_class=EventSourceResponse)
async def follow_queue(
    request: Request, stream: Annotated[QueueStream, Depends(_stream)]
) -> AsyncIterator[ServerSentEvent]:
    """`queue`: ids of what waits, runs and ended, evaluations, workers; at the start and on every change."""
    async for event in follow(stream, None, request.app.state.stopping):
        yield event


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
