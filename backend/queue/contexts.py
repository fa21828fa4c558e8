"""The queue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from backend.db.clock import SLIGHT_SKEW
from backend.queue.board import Board
from backend.run_view.views import RunView
from backend.web.contexts import Context


@dataclass(frozen=True)
class QueuePage(Context):
    """What runs, what waits and why, what ended badly, and who works."""

    template = "queue/page.html"
    nav = "queue"
    page = "queue"
    sheets = ("queue",)

    board: Board
    by_id: Mapping[str, RunView]  # the running ones
    priorities: Sequence[str]
    slight_skew: float = SLIGHT_SKEW  # seconds: a clock further off is worth a word
