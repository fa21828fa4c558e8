"""Does training hold what evaluation asks? Pairs are compared in a form that no augmentation changes.

The canonical form of a pair is the least, over the eight symmetries, of its cells with the colours 1 to 9
renumbered by first appearance. Two pairs have the same form exactly when an augmentation turns one into
the other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from backend.domain.arc.grid import Grid
from backend.domain.arc.pool import PackedPair
from backend.domain.arc.signatures import Place, Signatures, pairs_of
from backend.domain.arc.task import Task

Rows = tuple[bytes, ...]


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


def find_leaks(
    training: Mapping[str, Sequence[Task]], evaluated: Mapping[str, Sequence[Task]]
) -> tuple[Leak, ...]:
    """Every evaluated task, and every pair of one, that a training task holds in any augmentation.

    Both arguments are tasks by set name. A test pair without its output is passed over. Of tasks with many
    pairs all are compared; of two tasks that are known to share something no further pair is looked for.
    """
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
    found |= dict.fromkeys(_through_pools(training, evaluated, found))
    return tuple(found)


def _through_pools(
    training: Mapping[str, Sequence[Task]], evaluated: Mapping[str, Sequence[Task]], found: Iterable[Leak]
) -> Iterator[Leak]:
    """Where pairs of pools meet pairs of the other side: once for any two tasks that were not found yet."""
    trained = [(name, task) for name, tasks in training.items() for task in tasks]
    asked = [(name, task) for name, tasks in evaluated.items() for task in tasks]
    trained_pools = [each for each in trained if each[1].pool]
    asked_pools = [each for each in asked if each[1].pool]
    known = {
        (each.training_set, each.training_task, each.evaluated_set, each.evaluated_task) for each in found
    }
    if trained_pools and asked:
        yield from _meeting(trained_pools, _signatures(asked), known)
    ordinary = [each for each in trained if not each[1].pool]
    if ordinary and asked_pools:
        yield from _meeting(ordinary, _signatures(asked_pools), known)


def _signatures(tasks: Sequence[tuple[str, Task]]) -> Signatures:
    return Signatures(
        ((name, task, number), pair) for name, task in tasks for number, pair in enumerate(pairs_of(task), 1)
    )


def _meeting(
    trained: Sequence[tuple[str, Task]], asked: Signatures, known: set[tuple[str, str, str, str]]
) -> Iterator[Leak]:
    forms: dict[tuple[str, str, int], bytes] = {}  # of evaluated pairs
    for set_name, task in trained:
        for packed in pairs_of(task):
            form = b""
            for place in asked.like(packed):
                other_set, other, number = place
                key = (set_name, task.id, other_set, other.id)
                if key in known:
                    continue
                form = form or canonical(*_grids(packed))
                place_key = (other_set, other.id, number)
                if place_key not in forms:
                    forms[place_key] = canonical(*_grids(_pair_at(place)))
                if forms[place_key] == form:
                    known.add(key)
                    yield Leak(set_name, task.id, other_set, other.id, _name(place))


def _pair_at(place: Place) -> PackedPair:
    return next(islice(pairs_of(place[1]), place[2] - 1, None))


def _grids(packed: PackedPair) -> tuple[Grid, Grid]:
    pair = packed.pair
    return pair.input, pair.output


def _name(place: Place) -> str:
    """`demonstration 2`, `test 1`, `pair 317 of its pool`."""
    _, task, number = place
    if task.pool:
        return f"pair {number} of its pool"
    shown = len(task.demonstrations)
    if number <= shown:
        return f"demonstration {number}"
    known = [at for at, test in enumerate(task.tests, 1) if test.output is not None]
    return f"test {known[number - shown - 1]}"


def rule_of(task_id: str) -> str:
    """The name of the rule that a generated task follows, from its id: `00012-recolour-23-34-41`."""
    return task_id.partition("-")[2]


def shared_rules(
    training: Mapping[str, Sequence[Task]], evaluated: Mapping[str, Sequence[Task]]
) -> Iterator[Leak]:
    """The training tasks of generated sets that follow the rule of an evaluated one."""
    by_rule = {rule_of(task.id): (name, task.id) for name, tasks in evaluated.items() for task in tasks}
    for set_name, tasks in training.items():
        for task in tasks:
            if rule_of(task.id) in by_rule:
                yield Leak(set_name, task.id, *by_rule[rule_of(task.id)], "the rule")


def canonical(pair_input: Grid, pair_output: Grid) -> bytes:
    """The form of a pair that is the same for all its augmentations and for no other pair."""
    turned = zip(_symmetries(_rows(pair_input)), _symmetries(_rows(pair_output)), strict=True)
    return min(_renumbered(one, other) for one, other in turned)


def _forms(task: Task) -> Iterator[tuple[str, bytes]]:
    """The canonical form of each pair of a task, with the pair's name."""
    for number, pair in enumerate(task.demonstrations, 1):
        yield f"demonstration {number}", canonical(pair.input, pair.output)
    for number, test in enumerate(task.tests, 1):
        if test.output is not None:
            yield f"test {number}", canonical(test.input, test.output)


def _rows(grid: Grid) -> Rows:
    return tuple(bytes(row) for row in grid.rows)


def _symmetries(rows: Rows) -> Iterator[Rows]:
    """The eight symmetries of a square: each of two forms flipped neither, either or both ways."""
    transposed = tuple(bytes(column) for column in zip(*rows, strict=True))
    for form in (rows, transposed):
        mirrored = tuple(row[::-1] for row in form)
        yield from (form, form[::-1], mirrored, mirrored[::-1])


def _renumbered(one: Rows, other: Rows) -> bytes:
    """Both sizes, then all cells with 1 to 9 renumbered by first appearance; 0 stays."""
    cells = b"".join((*one, *other))
    order = sorted((colour for colour in range(1, 10) if colour in cells), key=cells.find)
    table = bytearray(256)
    for number, colour in enumerate(order, 1):
        table[colour] = number
    sizes = bytes((len(one), len(one[0]), len(other), len(other[0])))
    return sizes + cells.translate(bytes(table))
