"""Who may come in. Secrets are never stored: only their SHA-256, as hex."""

from __future__ import annotations

from typing import Annotated

from sqlalchemy import BigInteger, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import AutoId, Base

# Whose it is; null is the lab's owner. What opens the lab for a person goes with the person.
OfPerson = Annotated[
    int | None, mapped_column(BigInteger, ForeignKey("person.id", ondelete="CASCADE"), index=True)
]


class Person(Base):
    """Somebody who works with the lab. `role` is viewer, editor or admin."""

    __tablename__ = "person"

    id: Mapped[AutoId]
    name: Mapped[str] = mapped_column(unique=True)
    role: Mapped[str]
    created_at: Mapped[float]
    limit_running: Mapped[int | None]  # most runs at once; 0: no limit, null: the lab's
    limit_queued: Mapped[int | None]


class ApiToken(Base):
    """A named token for scripts; works until revoked or expired, for what its `scope` covers."""

    __tablename__ = "api_token"

    id: Mapped[AutoId]
    name: Mapped[str] = mapped_column(unique=True)
    token_hash: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[float]
    last_used_at: Mapped[float | None]
    revoked_at: Mapped[float | None]
    expires_at: Mapped[float | None]  # None: never
    scope: Mapped[str]  # read, log, launch or admin
    person_id: Mapped[OfPerson]


class LoginToken(Base):
    """A one-time token that logs a browser in."""

    __tablename__ = "login_token"

    token_hash: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[float]
    expires_at: Mapped[float]
    used_at: Mapped[float | None]
    person_id: Mapped[OfPerson]


class BrowserSession(Base):
    """A logged-in browser. One that a token logged in lasts no longer than that token opens the lab."""

    __tablename__ = "browser_session"

    token_hash: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[float]
    expires_at: Mapped[float]
    last_seen_at: Mapped[float | None]
    browser: Mapped[str | None]  # in words
    person_id: Mapped[OfPerson]
    token_id: Mapped[int | None] = mapped_column(
        BigInteger, ForeignKey("api_token.id", ondelete="CASCADE"), index=True
    )  # that logged it in; null for a link
