"""Training batches: what is asked, what is shown, and that a sample is a function of its number."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch

from backend.domain.arc.grid import Grid
from backend.domain.arc.task import Pair, Task, TestPair
from backend.domain.config.presets import quick, trm_arc1
from backend.domain.experiment import ExperimentConfig
from tests.support.dense import dense_batch
from worker.data.augment import Augmentation, augmentation
from worker.data.batches import BatchStream
from worker.data.sets import BuiltinTasks, TasksInMemory
from worker.data.training_data import TrainingData, TrainingTask, build
from worker.kit.batch import EOS, FIRST_COLOUR, IGNORE, PAD, Batch

SHOWN = quick().data.max_demonstrations


def changed(config: ExperimentConfig, **data: Any) -> ExperimentConfig:
    return config.model_copy(update={"data": config.data.model_copy(update=data)})


@pytest.fixture(scope="module")
def data() -> TrainingData:
    return build(quick(), BuiltinTasks())


def first(stream: BatchStream, count: int) -> Batch:
    return dense_batch(stream, np.ones(count, dtype=bool))


def same(one: Batch, other: Batch) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.rows, other.rows, strict=True))


def grid_on(canvas: torch.Tensor) -> tuple[tuple[int, int], Grid]:
    """Offset and colours of the one grid that lies anywhere on a canvas; ends and PAD are checked."""
    side = int(len(canvas) ** 0.5)
    tokens = canvas.view(side, side)
    rows, columns = torch.where(tokens >= FIRST_COLOUR)
    top, left = int(rows.min()), int(columns.min())
    bottom, right = int(rows.max()) + 1, int(columns.max()) + 1
    grid = tokens[top:bottom, left:right] - FIRST_COLOUR
    expected = torch.full_like(tokens, PAD)
    expected[top : bottom + 1, left : right + 1] = EOS
    if bottom < side and right < side:
        expected[bottom, right] = PAD
    expected[top:bottom, left:right] = grid + FIRST_COLOUR
    assert torch.equal(tokens, expected)
    return (top, left), Grid.of(grid.tolist())


def pairs_of(batch: Batch, row: int) -> list[tuple[tuple[int, int], Grid, Grid]]:
    """The asked pair, then the shown ones: offset, input, output."""
    labels = batch.labels[row].masked_fill(batch.labels[row] == IGNORE, PAD)
    canvases = [(batch.inputs[row], labels)]
    canvases += [
        (batch.demo_inputs[row, k], batch.demo_outputs[row, k])
        for k in range(batch.demo_mask.shape[1])
        if batch.demo_mask[row, k]
    ]
    found = [(grid_on(one), grid_on(other)) for one, other in canvases]
    assert all(one[0] == other[0] for one, other in found)  # both grids of a pair share one offset
    return [(one[0], one[1], other[1]) for one, other in found]


def test_shapes_and_types_are_those_of_the_contract(data: TrainingData) -> None:
    batch = first(BatchStream(data, quick(), 10), 7)
    assert batch.inputs.shape == batch.labels.shape == (7, 100)
    assert batch.demo_inputs.shape == batch.demo_outputs.shape == (7, SHOWN, 100)
    assert batch.demo_mask.shape == (7, SHOWN)
    assert batch.puzzle.shape == (7,)
    assert batch.demo_mask.dtype == torch.bool
    tokens = (batch.inputs, batch.labels, batch.demo_inputs, batch.demo_outputs, batch.puzzle)
    assert all(tensor.dtype == torch.int64 for tensor in tokens)


def test_every_sample_is_one_task_in_one_view_with_the_asked_pair_not_shown(data: TrainingData) -> None:
    config = quick()
    batch = first(BatchStream(data, config, 10), 128)
    known = {
        frozenset(
            (view.apply(Grid.of(one.tolist())), view.apply(Grid.of(other.tolist())))
            for one, other in task.pairs
        ): task
        for task in data.tasks
        for view in (augmentation(config.seed, task.id, form) for form in range(17))
    }
    for row in range(128):
        asked, *shown = [(one, other) for _, one, other in pairs_of(batch, row)]
        assert asked not in shown
        assert len(set(shown)) == len(shown)
        (task,) = {task.id: task for pairs, task in known.items() if {asked, *shown} <= pairs}.values()
        assert len(shown) == min(SHOWN, len(task.pairs) - 1)


def test_empty_places_hold_nothing(data: TrainingData) -> None:
    batch = first(BatchStream(data, quick(), 10), 64)
    assert not batch.demo_inputs[~batch.demo_mask].any()
    assert not batch.demo_outputs[~batch.demo_mask].any()
    assert (~batch.demo_mask).any()


def test_a_sample_is_a_function_of_seed_and_number(data: TrainingData) -> None:
    config = quick()
    whole = first(BatchStream(data, config, 10), 300)
    pieces = BatchStream(data, config, 10)
    parts = [first(pieces, count) for count in (1, 99, 200)]
    assert same(
        whole, Batch(*(torch.cat(tensors) for tensors in zip(*(part.rows for part in parts), strict=True)))
    )
    jumped = BatchStream(data, config, 10)
    jumped.position = 250
    assert same(first(jumped, 50), whole.map(lambda tensor: tensor[250:]))
    other = first(BatchStream(data, config.model_copy(update={"seed": 1}), 10), 300)
    assert not torch.equal(other.inputs, whole.inputs)


def test_only_wanted_rows_are_filled_and_counted(data: TrainingData) -> None:
    stream = BatchStream(data, quick(), 10)
    wanted = np.array([False, True, True, False, True])
    batch = dense_batch(stream, wanted)
    assert stream.position == 3
    dense = first(BatchStream(data, quick(), 10), 3)
    assert same(batch.map(lambda tensor: tensor[torch.from_numpy(wanted)]), dense)
    assert not batch.inputs[~wanted].any()
    assert (batch.labels[~wanted] == IGNORE).all()
    assert not batch.demo_mask[~wanted].any()


def test_each_pass_takes_every_task_once_in_an_order_of_its_own(data: TrainingData) -> None:
    config = changed(quick(), augmentations=0, translation=False)
    stream = BatchStream(data, config, 10)
    tasks = {
        Grid.of(one.tolist()): task.id for task in data.tasks for one, _ in task.pairs
    }  # inputs of these tasks are all different

    def drawn() -> list[str]:
        batch = first(stream, len(data.tasks))
        return [tasks[grid_on(canvas)[1]] for canvas in batch.inputs]

    passes = [drawn() for _ in range(3)]
    assert all(sorted(one) == sorted(task.id for task in data.tasks) for one in passes)
    assert passes[0] != passes[1] != passes[2]


def test_every_pair_is_asked_and_every_place_is_taken() -> None:
    task = Task("t", tuple(map(_pair, ("11", "12", "13"))), (_test("14"),))
    config = changed(quick(), training_sets=("mine",), canvas_sizes=(4,), augmentations=0)
    config = config.model_copy(update={"evaluation": config.evaluation.model_copy(update={"sets": ()})})
    stream = BatchStream(build(config, TasksInMemory({"mine": (task,)})), config, 4)
    batch = first(stream, 600)
    drawn = [pairs_of(batch, row)[0] for row in range(600)]
    asked = Counter(one.digits for _, one, _ in drawn)
    assert set(asked) == {"11", "12", "13", "14"}
    assert min(asked.values()) > 100  # 150 expected, deviation 11
    offsets = Counter(offset for offset, _, _ in drawn)
    assert set(offsets) == {(top, left) for top in range(4) for left in range(3)}
    assert min(offsets.values()) > 20  # 50 expected, deviation 7


def test_the_samples_of_a_seed_stay_those_of_earlier_versions(data: TrainingData) -> None:
    """A run gone on with gets the samples it would have had: this digest changes only on purpose."""
    stream, digest = BatchStream(data, quick(), 10), hashlib.sha256()
    for _ in range(5):
        for rows in first(stream, 50).rows:
            digest.update(rows.numpy().tobytes())
    assert digest.hexdigest().startswith("7738ac1b9115b714")


def visits(batch: Batch) -> list[set[tuple[Grid, Grid]]]:
    """The pairs of each task in the view of each visit, of samples that ask every pair in turn."""
    found, row = [], 0
    while row < len(batch.inputs):
        pairs = [(one, other) for _, one, other in pairs_of(batch, row)]
        together = range(row, row + len(pairs))
        of_rows = [[(one, other) for _, one, other in pairs_of(batch, each)] for each in together]
        assert all(set(each) == set(pairs) for each in of_rows), "one task in one view"
        assert {each[0] for each in of_rows} == set(pairs), "every pair asked"
        found.append(set(pairs))
        row += len(pairs)
    return found


def test_each_asks_every_pair_of_a_task_in_one_view_and_every_task_in_a_pass() -> None:
    config = changed(quick(), query="each", max_demonstrations=16)
    data = build(config, BuiltinTasks())
    pairs = sum(len(task.pairs) for task in data.tasks)
    stream = BatchStream(data, config, 10)
    one, other = visits(first(stream, pairs)), visits(first(stream, pairs))
    sizes = sorted(len(task.pairs) for task in data.tasks)
    assert sorted(map(len, one)) == sorted(map(len, other)) == sizes
    assert len(set(sizes)) > 1
    assert [each for each in one if each not in other], "another pass shows other views"
    again = BatchStream(data, config, 10)
    again.position = pairs
    assert visits(first(again, pairs)) == other


def test_each_without_augmentation_takes_the_tasks_of_any() -> None:
    config = changed(quick(), query="each", max_demonstrations=16, augmentations=0)
    data = build(config, BuiltinTasks())
    batch = first(BatchStream(data, config, 10), sum(len(task.pairs) for task in data.tasks))
    tasks = [
        {(Grid.of(one.tolist()), Grid.of(other.tolist())) for one, other in task.pairs} for task in data.tasks
    ]
    found = visits(batch)
    assert all(task in found for task in tasks)
    drawn_from_any = build(changed(config, query="any"), BuiltinTasks()).tasks
    assert [(task.id, task.asked) for task in data.tasks] == [(t.id, t.asked) for t in drawn_from_any]


def test_each_test_asks_every_test_pair_in_one_view_and_shows_every_demonstration() -> None:
    config = changed(quick(), query="each_test", max_demonstrations=16, first_tasks=40)
    data = build(config, BuiltinTasks())
    samples = sum(len(task.asked) for task in data.tasks)
    assert samples > len(data.tasks), "some task has two test pairs"
    batch = first(BatchStream(data, config, 10), samples)
    drawn = [[(one, other) for _, one, other in pairs_of(batch, row)] for row in range(samples)]
    found, row = Counter[str](), 0
    while row < samples:
        asked, *shown = drawn[row]
        task, view = next(
            (task, view)
            for task in data.tasks
            for view in (augmentation(config.seed, task.id, form) for form in range(9))
            if asked in _in_view(task, view, task.asked)
            and set(shown) == set(_in_view(task, view, task.shown))
        )
        together = drawn[row : row + len(task.asked)]
        assert {each[0] for each in together} == set(_in_view(task, view, task.asked))
        assert all(set(each[1:]) == set(shown) for each in together)
        found[task.id] += 1
        row += len(together)
    assert found == Counter(task.id for task in data.tasks)


def _in_view(task: TrainingTask, view: Augmentation, places: tuple[int, ...]) -> list[tuple[Grid, Grid]]:
    pairs = (task.pairs[place] for place in places)
    return [(view.apply(Grid.of(one.tolist())), view.apply(Grid.of(other.tolist()))) for one, other in pairs]


def test_with_a_corner_pair_one_pair_of_a_form_stays_in_the_corner_and_the_others_do_not() -> None:
    task = Task("t", tuple(map(_pair, ("11", "12", "13"))), (_test("14"),))
    corners = []
    for seed in range(6):
        config = changed(
            quick(), training_sets=("mine",), canvas_sizes=(8,), augmentations=0, corner_pair=True
        ).model_copy(update={"seed": seed})
        config = config.model_copy(update={"evaluation": config.evaluation.model_copy(update={"sets": ()})})
        stream = BatchStream(build(config, TasksInMemory({"mine": (task,)})), config, 8)
        batch = first(stream, 100)
        offsets: dict[str, set[tuple[int, int]]] = {}
        for row in range(100):
            for offset, one, _ in pairs_of(batch, row):  # asked and shown alike
                offsets.setdefault(one.digits, set()).add(offset)
        still = [digits for digits, at in offsets.items() if at == {(0, 0)}]
        assert len(still) == 1
        assert all(len(at) > 20 for digits, at in offsets.items() if digits not in still)
        corners += still
    assert len(set(corners)) > 1, "which pair it is differs from form to form and seed to seed"


def test_distinct_augmentations_are_forms_that_look_different_each_with_a_row_of_its_own() -> None:
    plain = Task("plain", (_pair("11"), _pair("22")), (_test("11"),))  # flips leave it as it is
    rich = Task("rich", tuple(map(_pair, ("1234", "5678"))), (_test("9123"),))
    config = changed(
        trm_arc1(),
        training_sets=("mine",),
        canvas_sizes=(4,),
        augmentations=999,
        distinct_augmentations=True,
        query="any",
        evaluation_demonstrations=False,
        translation=False,
    )
    config = config.model_copy(update={"evaluation": config.evaluation.model_copy(update={"sets": ()})})
    data = build(config, TasksInMemory({"mine": (plain, rich)}))
    forms = {task.id: len(task.forms) for task in data.tasks}
    assert forms == {"plain": 2 * 9 * 8, "rich": 1000}  # lying or standing, in two of nine colours
    assert data.puzzles.rows == 1 + sum(forms.values())
    batch = first(BatchStream(data, config, 4), 2000)
    shown_by_row: dict[int, set[Grid]] = {}
    for row in range(2000):
        view = {one for _, one, _ in pairs_of(batch, row)[:1]}
        shown_by_row.setdefault(int(batch.puzzle[row]), set()).update(view)
    assert len(shown_by_row) > 500
    assert len({row for row in shown_by_row if row <= 144}) > 130  # all are drawn alike
    assert all(len(inputs) <= 3 for inputs in shown_by_row.values()), "a row is of one view of three pairs"


def _pair(digits: str) -> Pair:
    return Pair(Grid.from_digits(digits), Grid.from_digits(digits[::-1]))


def _test(digits: str) -> TestPair:
    return TestPair(Grid.from_digits(digits), Grid.from_digits(digits[::-1]))


def test_without_translation_every_grid_lies_in_the_corner(data: TrainingData) -> None:
    batch = first(BatchStream(data, changed(quick(), translation=False), 10), 64)
    assert {offset for row in range(64) for offset, _, _ in pairs_of(batch, row)} == {(0, 0)}


def test_trm_gets_the_row_of_the_view_and_no_demonstrations() -> None:
    config = changed(
        trm_arc1(),
        first_tasks=20,
        canvas_sizes=(10,),
        augmentations=3,
        translation=False,
        query="any",
        distinct_augmentations=False,
    )
    data = build(config, BuiltinTasks())
    batch = first(BatchStream(data, config, 10), 200)
    assert batch.demo_inputs.shape == (200, 0, 100)
    for row in range(200):
        place, form = divmod(int(batch.puzzle[row]) - 1, 4)
        task = data.tasks[place]
        view = augmentation(config.seed, task.id, form)
        inputs = [view.apply(Grid.of(one.tolist())) for one, _ in task.pairs]
        assert grid_on(batch.inputs[row])[1] in inputs
    assert len(set(batch.puzzle.tolist())) > 70  # of 80 or more rows


def test_samples_are_made_far_faster_than_a_core_can_train_on_them(data: TrainingData) -> None:
    stream = BatchStream(data, quick(), 10)
    first(stream, 64)
    started = time.process_time()
    first(stream, 1000)
    assert time.process_time() - started < 2  # about 0.1 s
