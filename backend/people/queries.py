"""Tokens and browser sessions, always looked up by the SHA-256 of their secret."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, cast

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    CursorResult,
    Double,
    Select,
    and_,
    bindparam,
    delete,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Session

from backend.people.tables import ApiToken, BrowserSession, LoginToken, Person


def token_of(session: Session, token_hash: str, now: float) -> ApiToken | None:
    """The API token with this hash, unless it is revoked or expired."""
    return session.scalar(select(ApiToken).where(ApiToken.token_hash == token_hash, _opens(now)))


def valid_tokens(session: Session, hashes: Collection[str], now: float) -> set[str]:
    """Those of the hashes that an API token has which opens the lab."""
    query = select(ApiToken.token_hash).where(ApiToken.token_hash.in_(hashes), _opens(now))
    return set(session.scalars(query))


def rights_of(session: Session, hashes: Collection[str], now: float) -> list[tuple[str, str, str | None]]:
    """(hash, scope, role of its person, or None for the owner's) of those that an API token has which opens
    the lab."""
    found = session.connection().execute(_RIGHTS, {"hashes": list(hashes), "now": now})
    return [(row[0], row[1], row[2]) for row in found]


def valid_sessions(session: Session, hashes: Collection[str], now: float) -> set[str]:
    """Those of the hashes that a browser session has which is open."""
    query = open_sessions(now).where(BrowserSession.token_hash.in_(hashes))
    return {row.token_hash for row in session.scalars(query)}


def open_sessions(now: float) -> Select[BrowserSession]:
    """The one answer to which sessions are open: not expired, and not logged in by a token that was revoked
    or has expired. It is asked whenever a session is used, so that a log-in that crosses a revocation lasts
    no longer."""
    query = select(BrowserSession).outerjoin(ApiToken, ApiToken.id == BrowserSession.token_id)
    by_a_link = BrowserSession.token_id.is_(None)
    return query.where(BrowserSession.expires_at > now, or_(by_a_link, _opens(now)))


def _opens(now: float | BindParameter[float]) -> ColumnElement[bool]:
    """Whether a token opens the lab."""
    is_early = or_(ApiToken.expires_at.is_(None), ApiToken.expires_at > now)
    return and_(ApiToken.revoked_at.is_(None), is_early)


_RIGHTS = (
    select(ApiToken.token_hash, ApiToken.scope, Person.role)
    .outerjoin(Person, Person.id == ApiToken.person_id)
    .where(
        ApiToken.token_hash.in_(bindparam("hashes", expanding=True)), _opens(bindparam("now", type_=Double))
    )
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


def people(session: Session) -> Sequence[Person]:
    """Everybody, by name."""
    return session.scalars(select(Person).order_by(Person.name)).all()


def person_named(session: Session, name: str) -> Person | None:
    return session.scalar(select(Person).where(Person.name == name))


def person(session: Session, person_id: int | None) -> Person | None:
    """The person of a token or session; None for the owner's."""
    return None if person_id is None else session.get(Person, person_id)


def hold_person(session: Session, person_id: int) -> bool:
    """Whether there is this person, whom nobody removes until the transaction ends."""
    query = select(Person.id).where(Person.id == person_id)
    return session.scalar(query.with_for_update(read=True, key_share=True)) is not None


def last_seen(session: Session) -> dict[int, float]:
    """Person -> when a browser of theirs, or a token, was last used."""
    seen: dict[int, float] = {}
    of_session = func.coalesce(BrowserSession.last_seen_at, BrowserSession.created_at)
    for column, row in ((of_session, BrowserSession), (ApiToken.last_used_at, ApiToken)):
        query = select(row.person_id, func.max(column)).where(row.person_id.is_not(None), column.is_not(None))
        for person_id, moment in session.execute(query.group_by(row.person_id)):
            if person_id is not None and moment is not None:
                seen[person_id] = max(seen.get(person_id, 0.0), moment)
    return seen


def login_token(session: Session, token_hash: str) -> LoginToken | None:
    return session.get(LoginToken, token_hash, populate_existing=True)


def use_login(session: Session, token_hash: str, now: float) -> bool:
    """Use up a one-time token; of two that try at once, one gets True."""
    change = (
        update(LoginToken)
        .where(LoginToken.token_hash == token_hash, LoginToken.used_at.is_(None), LoginToken.expires_at > now)
        .values(used_at=now)
    )
    return cast(CursorResult[Any], session.execute(change)).rowcount == 1


def browser_session(session: Session, token_hash: str, now: float) -> BrowserSession | None:
    """The browser session with this hash, if it is open."""
    return session.scalar(open_sessions(now).where(BrowserSession.token_hash == token_hash))


def session_id(token_hash: str) -> str:
    """What people call a session: the beginning of its hash, from which nobody finds the secret."""
    return token_hash[:16]


def own_sessions(
    session: Session, person_id: int | None, token_id: int | None, now: float
) -> Sequence[tuple[BrowserSession, str | None]]:
    """Open sessions of a person (None: the owner), or of one of their tokens, with the name of the token that
    logged each in; newest first."""
    query = open_sessions(now).add_columns(ApiToken.name)
    query = query.where(BrowserSession.person_id.is_not_distinct_from(person_id))
    if token_id is not None:
        query = query.where(BrowserSession.token_id == token_id)
    return [(row[0], row[1]) for row in session.execute(query.order_by(BrowserSession.created_at.desc()))]


def see_session(session: Session, token_hash: str, now: float) -> None:
    """Note when a browser session was last used."""
    session.execute(
        update(BrowserSession).where(BrowserSession.token_hash == token_hash).values(last_seen_at=now)
    )


def end_browser_session(session: Session, token_hash: str) -> None:
    """Log a browser out."""
    session.execute(delete(BrowserSession).where(BrowserSession.token_hash == token_hash))


def forget_expired(session: Session, now: float) -> None:
    """Delete one-time tokens and browser sessions that have expired."""
    session.execute(delete(LoginToken).where(LoginToken.expires_at <= now))
    session.execute(delete(BrowserSession).where(BrowserSession.expires_at <= now))
