"""Tasks of the sets in the database, imported ones included."""

from __future__ import annotations

from sqlalchemy import Engine

from backend.data import service as datasets
from backend.db.session import reading_scope, session_scope
from backend.domain.arc.task import Task
from backend.kit.errors import NotFound
from worker.data.procedural.sets import generated_tasks, is_generated
from worker.data.sets import BuiltinTasks


class DbTasks:
    """A TaskSource; a built-in set that was never put into the database is read from the installation.

    A generated set is made here and put into the database, so that pages can draw it and check it for leaks.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def tasks(self, set_name: str) -> tuple[Task, ...]:
        if is_generated(set_name):
            return self._generated(set_name)
        try:
            with reading_scope(self._engine) as session:
                return tuple(datasets.tasks(session, set_name))
        except NotFound as missing:
            try:
                return BuiltinTasks().tasks(set_name)
            except NotFound:
                raise missing from None

    def _generated(self, set_name: str) -> tuple[Task, ...]:
        tasks = generated_tasks(set_name)
        with session_scope(self._engine) as session:
            datasets.keep_generated(session, set_name, tasks)
        return tasks
