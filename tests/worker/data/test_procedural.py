"""Generated tasks: operations agree with their checks, splits share no rule, demonstrations say the rule."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from backend.domain.arc.leaks import rule_of
from backend.domain.arc.task import Task
from backend.domain.experiment import DataConfig, EvaluationConfig, EvaluationSet
from backend.domain.experiment import ExperimentConfig as Experiment
from backend.kit.errors import InvalidConfig, NotFound
from worker.data import training_data
from worker.data.augment import DIHEDRALS
from worker.data.leaks import find_leaks
from worker.data.procedural.counting import COUNTED, EXTREMES, Bar
from worker.data.procedural.families import FAMILIES, draws_of, tasks_of
from worker.data.procedural.logic import Choice, Property
from worker.data.procedural.objects import WHICH, Pick
from worker.data.procedural.operations import (
    Crop,
    Fall,
    Fill,
    Operation,
    Recolour,
    Roll,
    Shift,
    Tile,
    Turn,
)
from worker.data.procedural.rules import SPLITS, Rule, Split
from worker.data.procedural.symmetry import DIRECTIONS
from worker.data.sets import BuiltinTasks, TasksInMemory
from worker.data.tokens import Cells, as_cells

OPERATIONS: tuple[Operation, ...] = (
    Recolour(((1, 2), (2, 1), (3, 7))),
    *(Turn(turn) for turn in range(len(DIHEDRALS))),
    *(Fall(towards) for towards in DIRECTIONS),
    Fill(4),
    Shift(1, 0),
    Shift(-1, 2),
    Crop(),
    Tile(2, 1),
    Tile(2, 2),
    Roll(1, 0),
    Roll(-2, 1),
    *(Bar(colour, counted, 1, 2, lies=True) for colour in EXTREMES for counted in COUNTED),
    Bar("most", "colours", 0, 1, lies=False),
    *(Pick(which, "keep") for which in WHICH),
    Pick("largest", "remove"),
    Pick("smallest", "crop"),
    Pick("up", "paint", 4),
    *(Choice(asks, Turn(4), Fall("up")) for asks in (Property("odd"), Property("many"), Property("has", 2))),
)


def _random_grid(generator: np.random.Generator) -> Cells:
    height, width = generator.integers(2, 6, size=2)
    cells = generator.integers(0, 4, (height, width)).astype(np.uint8)
    cells[generator.random((height, width)) < 0.3] = 0
    return cells


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_an_operation_passes_its_check_and_wrong_outputs_do_not(operation: Operation) -> None:
    generator = np.random.default_rng(0)
    for _ in range(60):
        before = _random_grid(generator)
        after = operation.apply(before)
        assert operation.holds(before, after)
        row, column = (generator.integers(size) for size in after.shape)
        wrong = after.copy()
        wrong[row, column] = (wrong[row, column] + generator.integers(1, 10)) % 10
        assert not operation.holds(before, wrong)
        assert not operation.holds(before, np.pad(after, ((0, 1), (0, 0)), mode="edge"))


def test_operations_of_one_kind_are_told_apart_by_their_checks() -> None:
    before = np.array([[1, 2, 0], [0, 3, 1], [0, 0, 2]], dtype=np.uint8)
    for one in OPERATIONS:
        for other in OPERATIONS:
            same = np.array_equal(one.apply(before), other.apply(before))
            assert one.holds(before, other.apply(before)) == same


@pytest.mark.parametrize("name", FAMILIES)
def test_every_pair_of_a_task_holds_under_its_rule(name: str) -> None:
    for split in SPLITS:
        for task, rule in draws_of(FAMILIES[name], split, 40):
            assert FAMILIES[name].split(rule) == split
            assert rule_of(task.id) == rule.name
            for pair in (*task.demonstrations, *task.tests):
                assert pair.output is not None
                assert rule.holds(as_cells(pair.input), as_cells(pair.output))


@pytest.mark.parametrize("name", FAMILIES)
def test_rules_are_many_and_test_tasks_share_few(name: str) -> None:
    family = FAMILIES[name]
    train = {rule.name for _, rule in draws_of(family, "train", 400)}
    test = [rule.name for _, rule in draws_of(family, "test", family.about.test_tasks)]
    assert len(train) > 80  # too many to be learned one by one in minutes
    assert max(test.count(each) for each in set(test)) <= family.repeats


def test_moves_of_many_kinds_occur_in_both_splits() -> None:
    for split in SPLITS:
        rules = [rule for _, rule in draws_of(FAMILIES["compose"], split, 300)]
        assert len({Rule(rule.operations[1:]).name for rule in rules}) > 50


def test_easier_tasks_show_fewer_colours_at_a_time_and_all_in_all() -> None:
    family = FAMILIES["control"]
    seen = set()
    for split in SPLITS:
        for task, rule in draws_of(family, split, 60):
            shown = [set(pair.input.cells) for pair in task.demonstrations]
            assert set().union(*shown) >= {colour for colour, _ in rule.operations[0].images}  # type: ignore[attr-defined]
            assert len(set().union(*shown)) == 3
            seen.add((split, len(shown[0])))
    assert seen == {("train", 1), ("train", 2), ("train", 3), ("test", 3)}


def test_a_task_is_a_pure_function_of_its_number() -> None:
    family = FAMILIES["compose"]
    assert tuple(task for task, _ in draws_of(family, "test", 3)) == tasks_of(family, "test")[:3]


def test_names_of_sets_are_known_and_misspelt_ones_are_corrected() -> None:
    assert len(BuiltinTasks().tasks("procedural/ladder/recolour/test")) == 100
    assert len(BuiltinTasks().tasks("procedural/control/test")) == 100
    with pytest.raises(NotFound, match="procedural/controll/test") as refused:
        BuiltinTasks().tasks("procedural/controll/test")
    assert "procedural/control/test" in str(refused.value)


def _config(training: str, evaluated: str, augmentations: int = 0, views: int = 1) -> Experiment:
    return Experiment(
        data=DataConfig(
            training_sets=(training,), canvas_sizes=(10,), augmentations=augmentations, query="test"
        ),
        evaluation=EvaluationConfig(sets=(EvaluationSet(name=evaluated),), views=views),
    )


def _drawn(name: str, split: Split, count: int) -> tuple[Task, ...]:
    return tuple(task for task, _ in draws_of(FAMILIES[name], split, count))


def test_a_training_task_with_the_rule_of_a_test_task_is_dropped() -> None:
    train, test = _drawn("control", "train", 20), _drawn("control", "test", 20)
    poisoned = replace(train[3], id=f"99999-{rule_of(test[5].id)}")
    sets = {"procedural/control/train": (*train, poisoned), "procedural/control/test": test}
    data = training_data.build(_config(*sets), TasksInMemory(sets))
    assert [(leak.training_task, leak.what) for leak in data.leaks] == [(poisoned.id, "the rule")]
    assert len(data.tasks) == len(train)
    assert poisoned.id not in {task.id for task in data.tasks}
    # Beside a set that is not generated, pairs are compared as ever.
    assert find_leaks({"procedural/control/train": train}, {"mine": train[:1]})


@pytest.mark.parametrize(
    ("augmentations", "views", "field"), [(1000, 1, "data.augmentations"), (0, 8, "evaluation.views")]
)
def test_augmentation_that_turns_training_rules_into_held_out_ones_is_refused(
    augmentations: int, views: int, field: str
) -> None:
    sets = {
        "procedural/control/train": _drawn("control", "train", 300),
        "procedural/control/test": _drawn("control", "test", 100),
    }
    with pytest.raises(InvalidConfig) as refused:
        training_data.build(_config(*sets, augmentations, views), TasksInMemory(sets))
    assert [each.field for each in refused.value.problems] == [field]
    met = re.search(r"would meet (\d+) of 100 rules", str(refused.value))
    assert met
    assert int(met[1]) > 60
    assert "ladder/move" in str(refused.value)  # what to use instead


def test_rules_held_out_up_to_augmentation_may_be_augmented() -> None:
    sets = {
        "procedural/ladder/move/train": _drawn("ladder/move", "train", 100),
        "procedural/ladder/move/test": _drawn("ladder/move", "test", 30),
    }
    data = training_data.build(_config(*sets, augmentations=1000, views=32), TasksInMemory(sets))
    assert (data.leaks, len(data.tasks)) == ((), 100)


def test_rules_of_another_family_that_augmentation_turns_into_held_out_ones_are_dropped() -> None:
    """A composed rule without moves is a recolouring, and so are all its augmentations."""
    composed = _drawn("ladder/compose", "train", 200)
    plain = {task.id for task in composed if "_" not in rule_of(task.id) and "recolour" in task.id}
    sets = {
        "procedural/ladder/compose/train": composed,
        "procedural/control/test": _drawn("control", "test", 100),
    }
    assert training_data.build(_config(*sets), TasksInMemory(sets)).leaks == ()
    data = training_data.build(_config(*sets, augmentations=8), TasksInMemory(sets))
    dropped = {leak.training_task for leak in data.leaks}
    assert dropped
    assert dropped <= plain
    assert {leak.what for leak in data.leaks} == {"an augmentation of the rule"}
