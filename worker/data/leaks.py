"""Does training hold what evaluation asks? By shared pairs, and in generated sets by shared rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from backend.domain.arc import leaks
from backend.domain.arc.leaks import Leak, canonical, shared_rules
from backend.domain.arc.task import Task
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
        *shared_rules(made, made_evaluated),
        *leaks.find_leaks(other, evaluated),
        *leaks.find_leaks(made, other_evaluated),
    )


def _parted(sets: Sets) -> tuple[Sets, Sets]:
    """The generated sets and the others."""
    generated = {name: tasks for name, tasks in sets.items() if is_generated(name)}
    return generated, {name: tasks for name, tasks in sets.items() if name not in generated}
