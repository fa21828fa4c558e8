"""The database as event streams see it: one thread and one connection of their own.

However many streams are open, they take neither a thread nor a connection from those that answer requests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from typing import TypeVar

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from backend.db.session import reading_scope

Answer = TypeVar("Answer")
Marker = tuple[int, str]

# Both change with every commit of anybody else, and cost no read of a table.
_MARKERS = {"sqlite": "PRAGMA data_version", "postgresql": "SELECT pg_current_snapshot()::text"}
_numbers = count()


class Snapshots:
    """Runs functions one after the other in a thread of its own, away from the event loop."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._marker = text(_MARKERS[engine.dialect.name])
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="streams")

    async def run(self, work: Callable[[], Answer]) -> Answer:
        """What `work` returns or raises, from the thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    @contextmanager
    def reading(self) -> Iterator[tuple[Session, Marker]]:
        """A snapshot and its marker: with the same marker as before, nothing was written since."""
        with reading_scope(self._engine) as session:
            # SQLite's number means something only on the connection that it was read on.
            info = session.connection().connection.info
            number: int = info.setdefault("etrm_number", next(_numbers))
            yield session, (number, str(session.scalar(self._marker)))

    def close(self) -> None:
        """Wait for the thread and close the connection."""
        self._thread.shutdown(cancel_futures=True)
        self._engine.dispose()
