"""How Alembic reaches the database: through the connection `backend.db.migrate` hands over."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context
from sqlalchemy import Connection

from backend import schema as tables  # noqa: F401 — registers every table
from backend.db.base import Base, NanDouble, PlainText
from backend.db.migrate import migrating_connection
from backend.settings import Settings


def run() -> None:
    """Migrate on the given connection, or (the `alembic` command) on the database of the settings."""
    connection = context.config.attributes.get("connection")
    if connection is not None:
        run_on(connection)
        return
    with migrating_connection(Settings.load().database_url) as connection:
        run_on(connection)


def run_on(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=True,  # SQLite alters a table by copying it
        render_item=plain_type,
    )
    with context.begin_transaction():
        context.run_migrations()


def plain_type(kind: str, item: Any, _context: Any) -> str | Literal[False]:
    """Our types by what they store, so that an old migration never depends on today's code."""
    if kind == "type" and isinstance(item, PlainText):
        return "sa.Text()"
    if kind == "type" and isinstance(item, NanDouble):
        return "sa.Double()"
    return False


run()
