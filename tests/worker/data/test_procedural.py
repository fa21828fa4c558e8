"""Generated tasks: operations agree with their checks, splits share no rule, demonstrations say the rule."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backend.domain.arc.leaks import rule_of
from backend.domain.experiment import GENERATED_SETS, DataConfig, EvaluationConfig, EvaluationSet
from backend.domain.experiment import ExperimentConfig as Experiment
from backend.kit.errors import NotFound
from worker.data import training_data
from worker.data.augment import DIHEDRALS
from worker.data.leaks import find_leaks
from worker.data.procedural.families import FAMILIES, draws_of, tasks_of
from worker.data.procedural.operations import (
    DIRECTIONS,
    Crop,
    Fall,
    Fill,
    Operation,
    Recolour,
    Shift,
    Tile,
    Turn,
)
from worker.data.procedural.rules import SPLITS
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
        for task, rule in draws_of(FAMILIES[name], split, 60):
            assert rule.split == split
            assert rule_of(task.id) == rule.name
            for pair in (*task.demonstrations, *task.tests):
                assert pair.output is not None
                assert rule.holds(as_cells(pair.input), as_cells(pair.output))


def test_no_rule_of_a_test_set_is_trained_on() -> None:
    for family in FAMILIES.values():
        train, test = (
            {rule_of(task.id) for task in tasks_of(replace(family, train_tasks=2000), split)}
            for split in SPLITS
        )
        assert not train & test
        assert len(train) > 400  # too many to be learned one by one in minutes
        assert len(test) == family.test_tasks  # each has its own


def test_all_moves_of_a_family_occur_in_both_splits() -> None:
    family = FAMILIES["compose"]
    for split in SPLITS:
        moves = {rule.operations[1:] for _, rule in draws_of(family, split, 1500)}
        assert moves == set(family.moves)


def test_easier_tasks_show_fewer_colours_at_a_time_and_all_in_all() -> None:
    family = FAMILIES["control"]
    seen = set()
    for split in SPLITS:
        for task, rule in draws_of(family, split, 60):
            shown = [set(pair.input.cells) for pair in task.demonstrations]
            assert set().union(*shown) == {colour for colour, _ in rule.operations[0].images}  # type: ignore[attr-defined]
            seen.add((split, len(shown[0])))
    assert seen == {("train", 1), ("train", 2), ("train", 3), ("test", 3)}


def test_a_task_is_a_pure_function_of_its_number() -> None:
    family = FAMILIES["compose"]
    assert tuple(task for task, _ in draws_of(family, "test", 3)) == tasks_of(family, "test")[:3]


def test_names_of_sets_are_known_and_misspelt_ones_are_corrected() -> None:
    for name in GENERATED_SETS:
        if name.endswith("/test"):
            assert len(BuiltinTasks().tasks(name)) == FAMILIES[name.split("/")[1]].test_tasks
    assert {f"procedural/{family}/{split}" for family in FAMILIES for split in SPLITS} == set(GENERATED_SETS)
    with pytest.raises(NotFound, match="procedural/controll/test") as refused:
        BuiltinTasks().tasks("procedural/controll/test")
    assert "procedural/control/test" in str(refused.value)


def test_a_training_task_with_the_rule_of_a_test_task_is_dropped() -> None:
    family = FAMILIES["control"]
    train = tasks_of(replace(family, train_tasks=20), "train")
    test = tasks_of(replace(family, test_tasks=20), "test")
    poisoned = replace(train[3], id=f"99999-{rule_of(test[5].id)}")
    sets = {"procedural/control/train": (*train, poisoned), "procedural/control/test": test}
    config = Experiment(
        data=DataConfig(
            training_sets=("procedural/control/train",), canvas_sizes=(3,), augmentations=0, query="test"
        ),
        evaluation=EvaluationConfig(sets=(EvaluationSet(name="procedural/control/test"),)),
    )
    data = training_data.build(config, TasksInMemory(sets))
    assert [(leak.training_task, leak.what) for leak in data.leaks] == [(poisoned.id, "the rule")]
    assert len(data.tasks) == len(train)
    assert poisoned.id not in {task.id for task in data.tasks}
    # Beside a set that is not generated, pairs are compared as ever.
    assert find_leaks({"procedural/control/train": train}, {"mine": train[:1]})
