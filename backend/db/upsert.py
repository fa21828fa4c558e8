"""INSERT … ON CONFLICT, which SQLite and PostgreSQL spell alike and SQLAlchemy keeps apart."""

from __future__ import annotations

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from backend.db.base import Base


def insert_or(session: Session, table: type[Base]) -> postgresql.Insert:
    """An insert that has `on_conflict_do_nothing` and `on_conflict_do_update` on either database."""
    if session.get_bind().dialect.name == "sqlite":
        return sqlite.insert(table)  # type: ignore[return-value] # the same methods, no common base
    return postgresql.insert(table)
