"""Who may come in: API tokens for scripts, one-time tokens that log a browser in, browser sessions.

A secret is 32 random bytes. Only its SHA-256 is stored, so the database gives nobody access; a slow hash
would add nothing to 256 bits that nobody can guess.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy.orm import Session

from backend.db.repositories import access
from backend.db.tables import ApiToken, BrowserSession, LoginToken
from backend.domain.errors import Conflict, FieldProblem, InvalidInput, NotFound, Unauthorised

TOKEN_PREFIX = "etrm_"
LOGIN_SECONDS = 10 * 60.0
SESSION_SECONDS = 30 * 24 * 3600.0
NOTED_EVERY = 60.0  # seconds between two writes of when a token was last used
LONGEST_NAME = 100


@dataclass(frozen=True)
class TokenView:
    """An API token without its secret. Times are seconds since the Unix epoch."""

    id: int
    name: str
    created_at: float
    last_used_at: float | None
    revoked_at: float | None


def create_token(session: Session, name: str) -> str:
    """Make an API token called `name`; its secret is returned here and never again."""
    name = name.strip()
    if not 0 < len(name) <= LONGEST_NAME:
        problem = FieldProblem("name", f"must be 1 to {LONGEST_NAME} characters long.")
        raise InvalidInput("The token needs a name.", problems=[problem])
    if access.token_named(session, name):
        raise Conflict(f"There is a token called {name!r} already.", "Choose another name.")
    secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
    session.add(ApiToken(name=name, token_hash=_hash(secret), created_at=time.time()))
    session.flush()
    return secret


def check_token(session: Session, secret: str) -> TokenView | None:
    """The API token with this secret, or None when it is unknown or revoked. Reads only."""
    token = access.token_of(session, _hash(secret))
    return _view(token) if token else None


def note_use(session: Session, secret: str) -> None:
    """Remember that the token was used just now."""
    access.use_token(session, _hash(secret), time.time())


def use_is_stale(token: TokenView) -> bool:
    """Whether `note_use` is worth a write."""
    return time.time() - (token.last_used_at or 0.0) > NOTED_EVERY


def tokens(session: Session) -> list[TokenView]:
    """All API tokens, revoked ones included, oldest first."""
    return [_view(token) for token in access.tokens(session)]


def revoke_token(session: Session, name: str) -> None:
    """From now on the token called `name` opens nothing."""
    token = access.token_named(session, name)
    if token is None:
        raise NotFound(f"There is no token called {name!r}.", "See: etrm token list.")
    token.revoked_at = token.revoked_at or time.time()
    session.flush()


def issue_login(session: Session) -> str:
    """A one-time token that logs one browser in within ten minutes."""
    now = time.time()
    access.forget_expired(session, now)
    secret = secrets.token_urlsafe(32)
    session.add(LoginToken(token_hash=_hash(secret), created_at=now, expires_at=now + LOGIN_SECONDS))
    session.flush()
    return secret


def redeem_login(session: Session, secret: str) -> str:
    """Use up a one-time token and return the secret of a new browser session (for its cookie)."""
    now = time.time()
    if not access.use_login(session, _hash(secret), now):
        raise Unauthorised(
            "This login link was used already or is older than ten minutes.",
            "Get a new one: run etrm login, or start etrm up again.",
        )
    return _new_session(session, now)


def log_in_with_token(session: Session, secret: str) -> str:
    """Open a browser session with an API token, typed into the login page; returns its secret."""
    if check_token(session, secret.strip()) is None:
        problem = FieldProblem("token", "is unknown or revoked.", "Make one: etrm token create NAME.")
        raise Unauthorised("This token opens nothing.", problems=[problem])
    return _new_session(session, time.time())


def check_session(session: Session, secret: str) -> bool:
    """Whether a browser session with this secret is open. Reads only."""
    return access.browser_session(session, _hash(secret), time.time()) is not None


def log_out(session: Session, secret: str) -> None:
    """End a browser session."""
    access.end_browser_session(session, _hash(secret))


def _new_session(session: Session, now: float) -> str:
    secret = secrets.token_urlsafe(32)
    session.add(BrowserSession(token_hash=_hash(secret), created_at=now, expires_at=now + SESSION_SECONDS))
    session.flush()
    return secret


def _view(token: ApiToken) -> TokenView:
    return TokenView(token.id, token.name, token.created_at, token.last_used_at, token.revoked_at)


def _hash(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()
