"""Twins: several views of each of several tasks."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from backend.domain.arc.grid import Grid
from backend.domain.config.presets import quick
from backend.domain.experiment import ExperimentConfig
from worker.data.augment import augmentation
from worker.data.sets import BuiltinTasks
from worker.data.tokens import crop
from worker.data.training_data import TrainingData, build
from worker.data.twins import Twins
from worker.kit.batch import FIRST_COLOUR, IGNORE, Batch

TASKS, VIEWS = 6, 3


def config(**data: Any) -> ExperimentConfig:
    base = quick()
    return base.model_copy(update={"data": base.data.model_copy(update=data)})


@pytest.fixture(scope="module")
def data() -> TrainingData:
    return build(quick(), BuiltinTasks())


def same(one: Batch, other: Batch) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.rows, other.rows, strict=True))


def test_a_batch_of_twins_is_a_function_of_seed_and_number(data: TrainingData) -> None:
    twins = Twins(data, quick(), 10, TASKS, VIEWS)
    seventh = twins.at(7)
    assert not same(seventh, twins.at(8))
    assert same(seventh, Twins(data, quick(), 10, TASKS, VIEWS).at(7))
    reseeded = quick().model_copy(update={"seed": 1})
    assert not same(seventh, Twins(data, reseeded, 10, TASKS, VIEWS).at(7))


def test_the_views_of_a_task_show_the_same_pairs_in_different_augmentations(data: TrainingData) -> None:
    settings = config(translation=False)
    batch = Twins(data, settings, 10, TASKS, VIEWS).at(0)
    assert len(batch.inputs) == TASKS * VIEWS
    found = []
    for row in range(TASKS * VIEWS):
        shown = [
            tuple(crop(grid[row, place].numpy(), 10) for grid in (batch.demo_inputs, batch.demo_outputs))
            for place in range(int(batch.demo_mask[row].sum()))
        ]
        found.append(
            {
                (task.id, form, tuple(pairs.index(pair) for pair in shown))
                for task, form, pairs in all_views(data, settings)
                if set(shown) <= set(pairs)
            }
        )
    tasks = []
    for first in range(0, TASKS * VIEWS, VIEWS):
        readings = found[first : first + VIEWS]
        alike = {(task, pairs) for task, _, pairs in readings[0]}
        assert all({(task, pairs) for task, _, pairs in each} & alike for each in readings)
        assert len({min(form for _, form, _ in each) for each in readings}) > 1
        tasks.append(min(readings[0])[0])
    assert len(set(tasks)) == TASKS


def all_views(data: TrainingData, settings: ExperimentConfig) -> list[tuple[Any, int, list[Any]]]:
    """Every task in every augmentation: task, form, its pairs of grids."""
    return [
        (
            task,
            form,
            [tuple(view.apply(Grid.of(cells.tolist())) for cells in pair) for pair in task.pairs],
        )
        for task in data.tasks
        for form in range(settings.data.augmentations + 1)
        for view in [augmentation(settings.seed, task.id, form)]
    ]


def test_nothing_is_asked_and_fewer_tasks_than_wanted_are_all_taken(data: TrainingData) -> None:
    twins = Twins(data, quick(), 10, 1000, 2)
    assert twins.tasks == len(data.tasks)
    batch = twins.at(0)
    assert (batch.labels == IGNORE).all()
    assert not batch.inputs.any()
    assert batch.demo_mask.any(1).all()
    assert (batch.demo_inputs >= FIRST_COLOUR).any(-1)[batch.demo_mask].all()


def test_without_augmentation_the_views_differ_by_place_alone(data: TrainingData) -> None:
    twins = Twins(data, config(augmentations=0, translation=False), 10, TASKS, 2)
    one, other = twins.at(3).demo_inputs.view(TASKS, 2, -1).unbind(1)
    assert torch.equal(one, other)
    moved = Twins(data, config(augmentations=0), 10, TASKS, 2)
    one, other = moved.at(3).demo_inputs.view(TASKS, 2, -1).unbind(1)
    assert not torch.equal(one, other)
