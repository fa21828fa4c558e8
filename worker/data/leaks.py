"""Does training hold what evaluation asks? Pairs are compared in a form that no augmentation changes.

The canonical form of a pair is the least, over the eight symmetries, of its cells with the colours 1 to 9
renumbered by first appearance. Two pairs have the same form exactly when an augmentation turns one into
the other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from backend.domain.grid import Grid
from backend.domain.task import Task
from worker.data.augment import DIHEDRALS
from worker.data.procedural.families import rule_of
from worker.data.procedural.sets import is_generated
from worker.data.tokens import Cells, as_cells


@dataclass(frozen=True, slots=True)
class Leak:
    """A training task that gives away an evaluated one: by a pair they share, or by being the same task."""

    training_set: str
    training_task: str
    evaluated_set: str
    evaluated_task: str
    what: str  # "the id", "the rule", or the pair of the evaluated task: "demonstration 2", "test 1"

    def __str__(self) -> str:
        return (
            f"{self.training_task} of {self.training_set} holds {self.what} "
            f"of {self.evaluated_task} of {self.evaluated_set}"
        )


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
        *_shared_pairs(other, evaluated),
        *_shared_pairs(made, other_evaluated),
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


def _shared_pairs(training: Sets, evaluated: Sets) -> tuple[Leak, ...]:
    if not training or not evaluated:
        return ()
    by_form: dict[bytes, list[tuple[str, str, str]]] = defaultdict(list)
    by_id: dict[str, list[str]] = defaultdict(list)
    for set_name, tasks in evaluated.items():
        for task in tasks:
            by_id[task.id].append(set_name)
            for what, form in _forms(task):
                by_form[form].append((set_name, task.id, what))
    found: dict[Leak, None] = {}  # an ordered set: a task may hold one pair twice
    for set_name, tasks in training.items():
        for task in tasks:
            for evaluated_set in by_id.get(task.id, ()):
                found[Leak(set_name, task.id, evaluated_set, task.id, "the id")] = None
            for _, form in _forms(task):
                for place in by_form.get(form, ()):
                    found[Leak(set_name, task.id, *place)] = None
    return tuple(found)


def canonical(pair_input: Grid, pair_output: Grid) -> bytes:
    """The form of a pair that is the same for all its augmentations and for no other pair."""
    one, other = as_cells(pair_input), as_cells(pair_output)
    return min(_renumbered(turn(one), turn(other)) for turn in DIHEDRALS)


def _forms(task: Task) -> Iterator[tuple[str, bytes]]:
    """The canonical form of each pair of a task, with the pair's name."""
    for number, pair in enumerate(task.demonstrations, 1):
        yield f"demonstration {number}", canonical(pair.input, pair.output)
    for number, test in enumerate(task.tests, 1):
        if test.output is not None:
            yield f"test {number}", canonical(test.input, test.output)


def _renumbered(one: Cells, other: Cells) -> bytes:
    """Both sizes, then all cells with 1 to 9 renumbered by first appearance; 0 stays."""
    cells = one.tobytes() + other.tobytes()
    order = sorted((colour for colour in range(1, 10) if colour in cells), key=cells.find)
    table = bytearray(range(10))
    for number, colour in enumerate(order, 1):
        table[colour] = number
    return bytes((*one.shape, *other.shape)) + cells.translate(bytes(table).ljust(256, b"\0"))
