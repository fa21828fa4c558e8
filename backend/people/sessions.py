"""A person's own browser sessions: the list, and the end of any of them."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy.orm import Session

from backend.audit import service as audit
from backend.audit.actions import Action, Subject
from backend.domain.people import Identity
from backend.kit.errors import Conflict, NotFound
from backend.people import queries as access
from backend.people.tables import BrowserSession
from backend.web.visitor import who


@dataclass(frozen=True)
class SessionView:
    """A logged-in browser. Times are seconds since the Unix epoch."""

    id: str
    browser: str  # in words
    started_at: float
    last_seen_at: float | None  # None: not since it was recorded
    expires_at: float
    token: str | None  # name of the token that logged it in; None: a link did
    is_current: bool  # the one that asks


def own(session: Session, identity: Identity) -> list[SessionView]:
    """The open sessions of whoever asks, newest first: all of a person, or, for who came by a token, those
    that this token logged in."""
    return [
        SessionView(
            id=access.session_id(row.token_hash),
            browser=row.browser or "not recorded",
            started_at=row.created_at,
            last_seen_at=row.last_seen_at,
            expires_at=row.expires_at,
            token=name,
            is_current=access.session_id(row.token_hash) == identity.session_id,
        )
        for row, name in access.own_sessions(session, identity.person_id, identity.token_id, time.time())
    ]


def end(session: Session, identity: Identity, session_id: str) -> None:
    """End one's own session with this id; NotFound for one that is somebody else's, or has ended."""
    for row in _rows(session, identity):
        if access.session_id(row.token_hash) == session_id:
            _end(session, row, "" if session_id == identity.session_id else "another browser")
            return
    raise NotFound(
        "You have no such session.", "It may have ended already. List yours: GET /api/v1/sessions."
    )


def end_others(session: Session, identity: Identity) -> int:
    """End all one's own sessions but the one that asks; how many."""
    rows = [
        row for row in _rows(session, identity) if access.session_id(row.token_hash) != identity.session_id
    ]
    for row in rows:
        _end(session, row, "another browser")
    return len(rows)


def log_out(session: Session, identity: Identity) -> None:
    """End the session that asks; Conflict for a request that came by a token alone."""
    if not identity.session_id:
        raise Conflict(
            "There is no session to end: this request was let in by its token.",
            "Revoke the token instead: DELETE /api/v1/tokens/NAME, or etrm token revoke NAME.",
        )
    end(session, identity, identity.session_id)


def _end(session: Session, row: BrowserSession, detail: str) -> None:
    access.end_browser_session(session, row.token_hash)
    audit.note(session, Action.LOGGED_OUT, Subject("person", who.get().name), detail)


def _rows(session: Session, identity: Identity) -> list[BrowserSession]:
    found = access.own_sessions(session, identity.person_id, identity.token_id, time.time())
    return [row for row, _ in found]
