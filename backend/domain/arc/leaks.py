"""Does training hold what evaluation asks? Pairs are compared in a form that no augmentation changes.

The canonical form of a pair is the least, over the eight symmetries, of its cells with the colours 1 to 9
renumbered by first appearance. Two pairs have the same form exactly when an augmentation turns one into
the other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice

from backend.domain.arc.grid import Grid
from backend.domain.arc.pool import PackedPair
from backend.domain.arc.signatures import Place, Signatures, pairs_of
from backend.domain.arc.task import Task

Rows = tuple[bytes, ...]
_ORBIT = "~"  # before the digest of an orbit in the ids of generated tasks


@dataclass(frozen=True, slots=True)
class Leak:
    """A training task that gives away an evaluated one: by a pair they share, or by being the same task."""

    training_set: str
    training_task: str
    evaluated_set: str
    evaluated_task: str
    what: str  # "the id", "the rule", "an augmentation of the rule", or a pair: "demonstration 2", "test 1"

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


def generated_id(number: int, rule: str, orbit: str) -> str:
    """The id of a generated task: its number, its rule, and a digest of the rule's orbit."""
    digest = blake2b(orbit.encode(), digest_size=4).hexdigest()
    return f"{number:05d}-{rule}{_ORBIT}{digest}"


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
    """The name of the rule that a generated task follows, from its id: `00012-recolour-23-34-41~1f0c2a9e`."""
    return task_id.partition("-")[2].partition(_ORBIT)[0]


def is_generated(task_id: str) -> bool:
    """Whether an id is that of a generated task, which follows a rule of its own."""
    return _ORBIT in task_id


def orbit_of(task_id: str) -> str:
    """What rules have in common that augmentations turn into one another; the rule where an id tells none."""
    return task_id.rpartition(_ORBIT)[2] if is_generated(task_id) else rule_of(task_id)


def shared_rules(
    training: Mapping[str, Sequence[Task]], evaluated: Mapping[str, Sequence[Task]], augmented: bool = False
) -> Iterator[Leak]:
    """Generated tasks that follow the rule of an evaluated one; `augmented`: or one that augmentations turn
    into it. Every such training task and every evaluated task that one gives away is named at least once."""
    by_rule: dict[str, list[tuple[str, str]]] = defaultdict(list)
    by_orbit: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for name, tasks in evaluated.items():
        for task in tasks:
            by_rule[rule_of(task.id)].append((name, task.id))
            by_orbit[orbit_of(task.id)].append((name, task.id))
    told: set[tuple[str, str]] = set()
    for set_name, tasks in training.items():
        for task in tasks:
            same = by_rule.get(rule_of(task.id), [])
            alike = by_orbit.get(orbit_of(task.id), []) if augmented else []
            others = [each for each in alike if each not in same]
            known = [("the rule", each) for each in same]
            known += [("an augmentation of the rule", each) for each in others]
            for what, place in [each for each in known if each[1] not in told] or known[:1]:
                told.add(place)
                yield Leak(set_name, task.id, *place, what)


@dataclass(frozen=True, slots=True)
class SharedRules:
    """Two generated sets by the rules that their tasks follow."""

    training: int  # different rules
    evaluated: int
    shared: tuple[str, ...]  # in the order of the training set
    augmented: int  # evaluated rules that training follows, or turns one of its own into by augmentation


def compare_rules(training: Sequence[Task], evaluated: Sequence[Task]) -> SharedRules:
    """How many rules of the evaluated tasks training meets, without augmentation and with it."""
    trained_on = dict.fromkeys(rule_of(task.id) for task in training)
    asked = {rule_of(task.id): orbit_of(task.id) for task in evaluated}
    orbits = {orbit_of(task.id) for task in training}
    return SharedRules(
        training=len(trained_on),
        evaluated=len(asked),
        shared=tuple(rule for rule in trained_on if rule in asked),
        augmented=sum(rule in trained_on or orbit in orbits for rule, orbit in asked.items()),
    )


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
