"""Does training hold what evaluation asks? By shared pairs, and in generated sets by shared rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from backend.domain import leaks
from backend.domain.leaks import Leak, canonical
from backend.domain.task import Task
from worker.data.procedural.families import rule_of
from worker.data.procedural.sets import is_generated

__all__ = ["Leak", "canonical", "find_leaks"]

Sets = Mapping[str, Sequence[Task]]  # tasks by set name


def find_leaks(training: Sets, evaluated: Sets) -> tuple[Leak, ...]:
    """Every evaluated task, and every pair of one, that a training task holds in any augmentation.

    A test pair without its output is passed over. Two generated sets are compared by the rules of their
    tasks instead: grids so small share pairs by chance, whatever their rules are.
    """
    made, other = _parted(training)
    made_evaluated, other_evaluated = _parted(evaluated)
    return (
        *_shared_rules(made, made_evaluated),
        *leaks.find_leaks(other, evaluated),
        *leaks.find_leaks(made, other_evaluated),
    )


def _parted(sets: Sets) -> tuple[Sets, Sets]:
    """The generated sets and the others."""
    generated = {name: tasks for name, tasks in sets.items() if is_generated(name)}
    return generated, {name: tasks for name, tasks in sets.items() if name not in generated}


def _shared_rules(training: Sets, evaluated: Sets) -> Iterator[Leak]:
    """The training tasks that follow the rule of an evaluated one."""
    by_rule = {rule_of(task.id): (name, task.id) for name, tasks in evaluated.items() for task in tasks}
    for set_name, tasks in training.items():
        for task in tasks:
            if rule_of(task.id) in by_rule:
                yield Leak(set_name, task.id, *by_rule[rule_of(task.id)], "the rule")
