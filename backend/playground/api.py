"""/api/v1/plays: a task that somebody draws, asked of any checkpoint while one waits."""

from __future__ import annotations

from typing import Annotated

from fastapi import Body, Path
from fastapi.responses import Response

from backend.db.session import reading_scope, session_scope
from backend.domain.play import BetweenRequest, PlayRequest
from backend.people.streams import Live
from backend.playground import service as plays
from backend.playground.stream import PlaySource
from backend.playground.views import PlayView
from backend.queue import dispatch
from backend.web import notify
from backend.web.deps import Database
from backend.web.errors import responses
from backend.web.live.response import EventStream
from backend.web.routing import EDITOR, VIEWER, Router

router = Router(reads=VIEWER, writes=EDITOR, prefix="/plays", tags=["playground"])
PlayId = Annotated[str, Path(description="Id of a play: ten letters and digits.", examples=["w7c2m4k1zz"])]
ASKED = Body(
    openapi_examples={
        "quick": {
            "value": {
                "run": "k3v9x0q2ab",
                "task": {
                    "train": [{"input": [[1, 0]], "output": [[0, 1]]}],
                    "test": [{"input": [[2, 0]]}],
                },
            }
        }
    }
)


@router.post("", status_code=201, responses=responses(401, 404, 409, 413, 422, 429))
def create_play(asked: Annotated[PlayRequest, ASKED], response: Response, engine: Database) -> PlayView:
    """Ask a checkpoint a task. A worker answers within seconds, beside a training; follow `/events`, or read
    the play again until its status is finished, failed or cancelled."""
    with session_scope(engine) as session:
        view = plays.ask(session, asked)
    return _sent(view, response)


@router.post("/between", status_code=201, responses=responses(401, 404, 409, 422, 429))
def create_way(asked: BetweenRequest, response: Response, engine: Database) -> PlayView:
    """Ask a checkpoint what lies between two contexts: a test input of one task, answered under contexts on
    the straight line from its own to another task's. Follow it as any play; its `way` has the answers."""
    with session_scope(engine) as session:
        view = plays.ask_between(session, asked)
    return _sent(view, response)


@router.get("/{play_id}", responses=responses(401, 404))
def read_play(play_id: PlayId, engine: Database) -> PlayView:
    """A task, the checkpoint it was asked of, and the answer once it is there: candidates by votes, ACT
    steps, search, adaptation, and a moment later the training tasks whose contexts lie nearest."""
    with reading_scope(engine) as session:
        return plays.get(session, play_id)


@router.get("/{play_id}/events", response_class=EventStream, responses=responses(401, 404, 429))
async def follow_play(play_id: PlayId, streams: Live) -> Response:
    """A play as it changes: `play` as `GET /api/v1/plays/{id}` gives it, then `end`."""
    return await streams.open(PlaySource(play_id), ("play", play_id))


@router.post("/{play_id}/cancel", responses=responses(401, 404))
def cancel_play(play_id: PlayId, engine: Database) -> PlayView:
    """Stop waiting for an answer. A play that is over stays as it is."""
    with session_scope(engine) as session:
        view = plays.cancel(session, play_id)
    notify.play_changed(play_id)
    return view


@router.post("/{play_id}/keep", responses=responses(401, 404))
def keep_play(play_id: PlayId, engine: Database) -> PlayView:
    """Keep a play, so that a link to it stays valid. Others are deleted after a day."""
    with session_scope(engine) as session:
        view = plays.keep(session, play_id)
    notify.play_changed(play_id)
    return view


def _sent(view: PlayView, response: Response) -> PlayView:
    dispatch.send_play(view.id)
    response.headers["Location"] = f"/api/v1/plays/{view.id}"
    return view
