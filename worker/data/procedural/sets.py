"""Families as task sets: `procedural/FAMILY/SPLIT`, named like those of files."""

from __future__ import annotations

from backend.domain.arc.task import Task
from backend.domain.experiment import GENERATED_PREFIX, GENERATED_SETS
from backend.kit.problems import unknown
from worker.data.procedural.families import FAMILIES, tasks_of


def is_generated(set_name: str) -> bool:
    """Whether a name is that of a family's set, or means to be."""
    return set_name.startswith(GENERATED_PREFIX)


def generated_tasks(set_name: str) -> tuple[Task, ...]:
    """The tasks of a family's set; NotFound with a suggestion for a name that is none."""
    about = GENERATED_SETS.get(set_name)
    if about is None:
        raise unknown("task set", set_name, GENERATED_SETS)
    return tasks_of(FAMILIES[about.name], "train" if set_name == about.train_set else "test")
