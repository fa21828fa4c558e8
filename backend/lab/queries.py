"""How much room the database takes."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.orm import Session


def size_bytes(session: Session) -> int:
    """Bytes of the whole database, what is free inside it included."""
    if session.get_bind().dialect.name == "sqlite":
        pages = session.execute(text("PRAGMA page_count")).scalar_one()
        return int(pages * session.execute(text("PRAGMA page_size")).scalar_one())
    return int(session.execute(text("SELECT pg_database_size(current_database())")).scalar_one())
