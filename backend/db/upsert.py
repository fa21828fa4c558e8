"""INSERT … ON CONFLICT, which SQLite and PostgreSQL spell alike and SQLAlchemy keeps apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from backend.db.base import Base

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql


def insert_or(session: Session, table: type[Base]) -> postgresql.Insert:
    """An insert that has `on_conflict_do_nothing` and `on_conflict_do_update` on either database."""
    if session.get_bind().dialect.name == "sqlite":
        from sqlalchemy.dialects import sqlite

        return sqlite.insert(table)  # type: ignore[return-value] # the same methods, no common base
    from sqlalchemy.dialects import postgresql

    return postgresql.insert(table)
