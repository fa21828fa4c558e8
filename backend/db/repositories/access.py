"""Tokens and browser sessions, always looked up by the SHA-256 of their secret."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import CursorResult, delete, select, update
from sqlalchemy.orm import Session

from backend.db.tables import ApiToken, BrowserSession, LoginToken


def token_of(session: Session, token_hash: str) -> ApiToken | None:
    """The API token with this hash, unless it is revoked."""
    return session.scalar(
        select(ApiToken).where(ApiToken.token_hash == token_hash, ApiToken.revoked_at.is_(None))
    )


def token_named(session: Session, name: str) -> ApiToken | None:
    """The API token of this name, revoked or not."""
    return session.scalar(select(ApiToken).where(ApiToken.name == name))


def tokens(session: Session) -> Sequence[ApiToken]:
    """All API tokens, oldest first."""
    return session.scalars(select(ApiToken).order_by(ApiToken.id)).all()


def use_token(session: Session, token_hash: str, now: float) -> None:
    """Note when a token was last used."""
    session.execute(update(ApiToken).where(ApiToken.token_hash == token_hash).values(last_used_at=now))


def use_login(session: Session, token_hash: str, now: float) -> bool:
    """Use up a one-time token; of two that try at once, one gets True."""
    change = (
        update(LoginToken)
        .where(LoginToken.token_hash == token_hash, LoginToken.used_at.is_(None), LoginToken.expires_at > now)
        .values(used_at=now)
    )
    return cast(CursorResult[Any], session.execute(change)).rowcount == 1


def browser_session(session: Session, token_hash: str, now: float) -> BrowserSession | None:
    """The browser session with this hash, unless it has run out."""
    return session.scalar(
        select(BrowserSession).where(BrowserSession.token_hash == token_hash, BrowserSession.expires_at > now)
    )


def end_browser_session(session: Session, token_hash: str) -> None:
    """Log a browser out."""
    session.execute(delete(BrowserSession).where(BrowserSession.token_hash == token_hash))


def forget_expired(session: Session, now: float) -> None:
    """Delete one-time tokens and browser sessions that have run out."""
    session.execute(delete(LoginToken).where(LoginToken.expires_at <= now))
    session.execute(delete(BrowserSession).where(BrowserSession.expires_at <= now))
