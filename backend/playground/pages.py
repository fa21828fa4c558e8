"""`/play`: draw a task and ask a checkpoint; `/play/{id}`: what was asked, with the answer."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import Path, Query
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy.orm import Session

from backend.data import service as datasets
from backend.db.session import reading_scope
from backend.domain.arc.grid import Grid
from backend.domain.arc.task import MAX_ID_LENGTH, Pair, Task, TestPair
from backend.domain.config.presets import PRESETS
from backend.domain.play import MAX_RUN_NAME, BetweenRequest, json_of
from backend.playground import service as plays
from backend.playground.contexts import PlayPage
from backend.playground.views import PlayView
from backend.web.deps import Database
from backend.web.rendering import render
from backend.web.routing import VIEWER, Router

router = Router(reads=VIEWER, include_in_schema=False)

EXAMPLE = Task(  # mirrored from left to right
    "drawn",
    (
        Pair(Grid.from_digits("100/220/300"), Grid.from_digits("001/022/003")),
        Pair(Grid.from_digits("450/050/004"), Grid.from_digits("054/050/400")),
        Pair(Grid.from_digits("006/660/006"), Grid.from_digits("600/066/600")),
    ),
    (TestPair(Grid.from_digits("700/870/008"), Grid.from_digits("007/078/800")),),
)


@router.get("/play")
def play_page(
    engine: Database,
    set: Annotated[str, Query(max_length=200)] = "",
    task: Annotated[str, Query(max_length=MAX_ID_LENGTH)] = "",
    run: Annotated[str, Query(max_length=MAX_RUN_NAME)] = "",
    step: Annotated[str, Query(max_length=40)] = "",
) -> HTMLResponse:
    """The playground with a task of a set, or an example, and a checkpoint that is chosen already."""
    with reading_scope(engine) as session:
        first = datasets.task(session, set, task) if set and task else EXAMPLE
        start = {"task": json_of(first), "name": first.id, "run": run, "step": step}
        return render(_page(session, json.dumps(start), None))


@router.get("/play/{play_id}")
def played_page(play_id: Annotated[str, Path(max_length=40)], engine: Database) -> Response:
    """The same with what was asked, and the answer. What was asked between two contexts is on the atlas."""
    with reading_scope(engine) as session:
        play = plays.get(session, play_id)
        asked = play.request
        if isinstance(asked, BetweenRequest):
            return RedirectResponse(f"/atlas?runs={play.checkpoint.run}&between={play.id}", status_code=303)
        start = {"task": asked.task, "name": asked.name, "run": asked.run, "step": str(play.checkpoint.step)}
        return render(_page(session, json.dumps(start), play))


def _page(session: Session, start: str, play: PlayView | None) -> PlayPage:
    return PlayPage(
        start=start,
        play=play,
        checkpoints=plays.checkpoints(session),
        presets=[(name, each.title) for name, each in PRESETS.items()],
        sets=[each.name for each in datasets.sets(session)],
    )
