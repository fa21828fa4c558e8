"""Does training hold what evaluation asks? By shared pairs, and in generated sets by shared rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from backend.domain.arc import leaks
from backend.domain.arc.leaks import Leak, canonical, compare_rules, shared_rules
from backend.domain.arc.task import Task
from backend.domain.experiment import GENERATED_SETS, ExperimentConfig, augmentation_problems
from backend.kit.errors import InvalidConfig
from worker.data.procedural.sets import is_generated

__all__ = ["Leak", "canonical", "find_leaks", "refuse_augmented_rules"]

Sets = Mapping[str, Sequence[Task]]  # tasks by set name


def find_leaks(training: Sets, evaluated: Sets, *, augmented: bool = False) -> tuple[Leak, ...]:
    """Every evaluated task, and every pair of one, that a training task holds in any augmentation.

    A test pair without its output is passed over. Two generated sets are compared by the rules of their
    tasks instead: grids so small share pairs by chance, whatever their rules are. `augmented`: training or
    evaluation augments tasks, so rules are the same that augmentation turns into one another.
    """
    made, other = _parted(training)
    made_evaluated, other_evaluated = _parted(evaluated)
    return (
        *shared_rules(made, made_evaluated, augmented),
        *leaks.find_leaks(other, evaluated),
        *leaks.find_leaks(made, other_evaluated),
    )


def refuse_augmented_rules(config: ExperimentConfig, training: Sets, held_out: Sets) -> None:
    """InvalidConfig where augmentation turns training rules of a family into its held-out ones, since nearly
    every task would have to be dropped. It says how many held-out rules would be met."""
    problems = tuple(augmentation_problems(config))
    if not problems:
        return
    counts = []
    for name, tasks in training.items():
        for other, evaluated in held_out.items():
            about = GENERATED_SETS.get(name)
            if about is not None and about == GENERATED_SETS.get(other):
                rules = compare_rules(tasks, evaluated)
                counts.append(f"{name} would meet {rules.augmented} of {rules.evaluated} rules of {other}.")
    raise InvalidConfig("Training would meet held-out rules.", " ".join(counts), problems)


def _parted(sets: Sets) -> tuple[Sets, Sets]:
    """The generated sets and the others."""
    generated = {name: tasks for name, tasks in sets.items() if is_generated(name)}
    return generated, {name: tasks for name, tasks in sets.items() if name not in generated}
