"""`/queue`: what runs, what waits and why, and who works."""

from __future__ import annotations

from fastapi.responses import HTMLResponse

from backend.db.session import reading_scope
from backend.queue import board as queue_board
from backend.queue.contexts import QueuePage
from backend.queue.order import PRIORITIES
from backend.web.deps import Database
from backend.web.rendering import render
from backend.web.routing import VIEWER, Router

router = Router(reads=VIEWER, include_in_schema=False)


@router.get("/queue")
def queue_page(engine: Database) -> HTMLResponse:
    """The queue and the workers; queue.js keeps both fresh."""
    with reading_scope(engine) as session:
        board = queue_board.read(session)
    names = {run.id: run for run in board.running}
    return render(QueuePage(board=board, by_id=names, priorities=tuple(PRIORITIES)))
