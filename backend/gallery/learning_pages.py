"""`/runs/{id}/learning`: what each checkpoint of a run made of each test input."""

from __future__ import annotations

from typing import Annotated, get_args

from fastapi import Query
from fastapi.responses import HTMLResponse

from backend.db.session import reading_scope
from backend.gallery import learning
from backend.gallery.contexts import LearningPage
from backend.gallery.learning import STATES, State
from backend.gallery.learning_api import K
from backend.lifecycle import service as runs
from backend.web.deps import Database, RunId
from backend.web.rendering import render
from backend.web.routing import VIEWER, Router

router = Router(reads=VIEWER, include_in_schema=False)

SHOWN = 24  # newest checkpoints: a wider matrix is for a file


@router.get("/runs/{run_id}/learning")
def learning_page(
    run_id: RunId,
    engine: Database,
    k: K = 1,
    how: Annotated[str, Query(max_length=40)] = "",
    state: Annotated[str, Query(max_length=20)] = "",
) -> HTMLResponse:
    """The matrix of test inputs by checkpoints, all or those in one state."""
    with reading_scope(engine) as session:
        made = learning.learning(session, run_id, k, how)
        run = runs.get(session, run_id)
    state = state if state in get_args(State) else ""
    view = made.view
    courses = [each for each in view.courses if state in ("", each.state)] if view else []
    first = max(0, len(view.checkpoints) - SHOWN) if view else 0
    return render(LearningPage(run, made, courses, state, STATES, first))
