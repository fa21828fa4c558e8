"""/api/v1/sessions and /logout: the browsers in which one is logged in oneself."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Request, Response
from pydantic import Field

from backend.db.session import reading_scope, session_scope
from backend.kit.model import Model
from backend.people import auth, sessions
from backend.web.deps import Database
from backend.web.errors import responses
from backend.web.routing import VIEWER, Router
from backend.web.visitor import who

router = Router(reads=VIEWER, writes=VIEWER, tags=["people"], responses=responses(401))


class SessionView(Model):
    """A browser in which you are logged in. Times are seconds since the Unix epoch."""

    id: str
    browser: str = Field(examples=["Firefox on Linux"])
    started_at: float
    last_seen_at: float | None
    expires_at: float
    token: str | None = Field(description="Name of the token that logged it in; null: a login link did.")
    is_current: bool = Field(description="Whether it is the session of this request.")


class Ended(Model):
    """How many sessions were ended."""

    ended: int


@router.get("/sessions")
def list_sessions(engine: Database) -> list[SessionView]:
    """Your open sessions, newest first. A token sees those that it logged in."""
    with reading_scope(engine) as session:
        return [SessionView(**vars(each)) for each in sessions.own(session, who.get())]


@router.delete("/sessions")
def end_other_sessions(engine: Database) -> Ended:
    """End all your sessions but the one of this request."""
    with session_scope(engine) as session:
        return Ended(ended=sessions.end_others(session, who.get()))


@router.delete("/sessions/{session_id}", status_code=204, responses=responses(404))
def end_session(
    session_id: Annotated[str, Path(max_length=100, description="Id from the list.")], engine: Database
) -> None:
    """End one of your sessions, at once."""
    with session_scope(engine) as session:
        sessions.end(session, who.get(), session_id)


@router.post("/logout", status_code=204, responses=responses(409))
def log_out(request: Request, response: Response, engine: Database) -> None:
    """End the session of this request; 409 for a request with a token, which has none."""
    with session_scope(engine) as session:
        sessions.log_out(session, who.get())
    auth.forget_cookie(request, response)
