"""Who may come in. Secrets are never stored: only their SHA-256, as hex."""

from __future__ import annotations

from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import AutoId, Base


class ApiToken(Base):
    """A named token for scripts; works until revoked."""

    __tablename__ = "api_token"

    id: Mapped[AutoId]
    name: Mapped[str] = mapped_column(unique=True)
    token_hash: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[float]
    last_used_at: Mapped[float | None]
    revoked_at: Mapped[float | None]


class LoginToken(Base):
    """A one-time token that logs a browser in."""

    __tablename__ = "login_token"

    token_hash: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[float]
    expires_at: Mapped[float]
    used_at: Mapped[float | None]


class BrowserSession(Base):
    """A logged-in browser."""

    __tablename__ = "browser_session"

    token_hash: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[float]
    expires_at: Mapped[float]
