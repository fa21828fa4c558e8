"""Tasks of the sets in the database, imported ones included."""

from __future__ import annotations

from sqlalchemy import Engine

from backend.db.session import reading_scope
from backend.domain.errors import NotFound
from backend.domain.task import Task
from backend.services import datasets
from worker.data.sets import BuiltinTasks


class DbTasks:
    """A TaskSource; a built-in set that was never put into the database is read from the installation."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def tasks(self, set_name: str) -> tuple[Task, ...]:
        try:
            with reading_scope(self._engine) as session:
                return tuple(datasets.tasks(session, set_name))
        except NotFound as missing:
            try:
                return BuiltinTasks().tasks(set_name)
            except NotFound:
                raise missing from None
