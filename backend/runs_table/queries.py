"""Views of the table of runs that people keep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import CursorResult, delete, select
from sqlalchemy.orm import Session

from backend.db.upsert import insert_or
from backend.runs_table.tables import SavedView


def all_views(session: Session) -> Sequence[SavedView]:
    """By name."""
    return session.scalars(select(SavedView).order_by(SavedView.name)).all()


def put(session: Session, name: str, query: str, created_at: float) -> None:
    """Keep a view; one of the same name gets the new query."""
    statement = insert_or(session, SavedView).values(name=name, query=query, created_at=created_at)
    session.execute(statement.on_conflict_do_update(index_elements=[SavedView.name], set_={"query": query}))


def remove(session: Session, name: str) -> bool:
    """Whether there was one."""
    done = session.execute(delete(SavedView).where(SavedView.name == name))
    return cast(CursorResult[Any], done).rowcount == 1
