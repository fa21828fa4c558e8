"""Families as task sets: `procedural/FAMILY/SPLIT`, named like those of files."""

from __future__ import annotations

from backend.domain.arc.task import Task
from backend.domain.experiment import GENERATED_PREFIX, GENERATED_SETS
from backend.kit.problems import unknown
from worker.data.procedural.families import FAMILIES, tasks_of
from worker.data.procedural.rules import SPLITS


def is_generated(set_name: str) -> bool:
    """Whether a name is that of a family's set, or means to be."""
    return set_name.startswith(GENERATED_PREFIX)


def generated_tasks(set_name: str) -> tuple[Task, ...]:
    """The tasks of a family's set; NotFound with a suggestion for a name that is none."""
    for family in FAMILIES.values():
        for split in SPLITS:
            if set_name == f"{GENERATED_PREFIX}{family.name}/{split}":
                return tasks_of(family, split)
    raise unknown("task set", set_name, GENERATED_SETS)
