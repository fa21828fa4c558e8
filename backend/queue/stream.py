"""The queue, as its event stream tells it."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from backend.evaluation.views import EvaluationView
from backend.queue import board as queue_board
from backend.queue.board import Board
from backend.web import notify
from backend.web.live.packets import packet
from backend.web.live.source import First


class QueueSource:
    """The queue, whole, whenever anything in it changes but the passing of time."""

    pause = 1.0
    ages = 5.0  # seconds: a worker that falls silent is offline, and nobody writes that down
    over = has_more = False
    channel = notify.RUNS

    def __init__(self) -> None:
        self._queue: dict[str, Any] | None = None

    def look(self, session: Session) -> list[bytes]:
        """The queue if it is not as it was."""
        before, self._queue = self._queue, _steady(queue_board.read(session))
        return [] if before is None or before == self._queue else [packet("queue", self._queue)]

    def first(self, session: Session, start: None) -> First:
        """The queue as it is."""
        return First([packet("queue", self._queue)])


def _steady(board: Board) -> dict[str, Any]:
    """What the queue is, in brief: enough to tell whether it changed, and how."""
    return {
        "waiting": [[each.run.id, each.priority, each.run.waiting_reasons] for each in board.waiting],
        "running": [[run.id, run.status, run.progress.phase, run.progress.done] for run in board.running],
        "ended": [[run.id, run.status] for run in board.ended],
        "workers": [[each.id, each.alive, each.current_run_id, each.out_cause] for each in board.workers],
        "evaluations": [_brief(each) for each in board.evaluations.all],
    }


def _brief(view: EvaluationView) -> list[Any]:
    at_work = [share.worker_id for share in view.compute.workers if share.active]
    return [view.id, view.status, view.waiting_reasons, view.progress.batches_done, at_work]
