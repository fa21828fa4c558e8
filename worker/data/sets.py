"""Where tasks come from: the training knows set names only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from backend.domain.arc.files import read_built_in
from backend.domain.arc.task import Task
from backend.kit.problems import unknown
from worker.data.procedural.sets import generated_tasks, is_generated


class TaskSource(Protocol):
    """Gives the tasks of a set by name; NotFound, with a hint, for a name it does not know."""

    def tasks(self, set_name: str) -> tuple[Task, ...]: ...


class BuiltinTasks:
    """The ARC-AGI-1 and ARC-AGI-2 sets that come with the installation, and the generated ones."""

    def tasks(self, set_name: str) -> tuple[Task, ...]:
        return generated_tasks(set_name) if is_generated(set_name) else read_built_in(set_name)


class TasksInMemory:
    """Sets given as they are: notebooks, tests."""

    def __init__(self, sets: Mapping[str, tuple[Task, ...]]) -> None:
        self._sets = dict(sets)

    def tasks(self, set_name: str) -> tuple[Task, ...]:
        if set_name in self._sets:
            return self._sets[set_name]
        raise unknown("task set", set_name, self._sets)
