"""Between two contexts: it begins with the task's own answer and ends with that under the other's context."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from backend.domain.arc.task import Task
from backend.kit.errors import InvalidInput, NotFound
from tests.support.records.tiny_runs import tiny
from worker.data import training_data
from worker.data.puzzles import PuzzleTable
from worker.data.sets import BuiltinTasks
from worker.evaluation.decoding import decode
from worker.evaluation.interpolation import interpolated, task_named
from worker.evaluation.views import Question, batch_of, views_of
from worker.kit.device import open_device
from worker.training.learner import Learner

TRAINING = "arc-agi-1/training"


@pytest.mark.parametrize("model", ["etrm", "etrm_cached", "etrm_iterative"])
def test_the_ends_are_the_answers_under_either_context(model: str) -> None:
    torch.set_num_threads(1)
    config = tiny(model, data={"canvas_sizes": [10]})
    data = training_data.build(config, BuiltinTasks())
    learner = Learner(config, data, open_device(config.training))
    for _ in range(20):
        learner.advance()
    first, second = _two()
    reasoner, puzzles = learner.reasoner.eval(), PuzzleTable()
    way = interpolated(reasoner, config, puzzles, learner.device, first, second, 0, 5)
    assert (way.asked, way.truth) == (first.tests[0].input, first.tests[0].output)
    found = way.points
    assert [each.share for each in found] == [0, 0.25, 0.5, 0.75, 1]
    for point, shown in ((found[0], first), (found[-1], second)):
        demonstrations = shown.demonstrations[: config.data.max_demonstrations]
        question = Question(replace(shown, tests=first.tests), 0, demonstrations)
        alone = decode(
            reasoner,
            batch_of([views_of(question, 1, 0, puzzles)[0]], 10),
            config.model.act.max_steps,
            learner.device,
        )
        assert (alone.final.grid(0) - 2).tolist() == [list(row) for row in point.grid.rows]
        assert point.halting_probability == pytest.approx(alone.final.halting_probabilities[0], abs=1e-5)


def _two() -> tuple[Task, Task]:
    small = [task for task in BuiltinTasks().tasks(TRAINING) if task.visible_side <= 10]
    return small[0], small[1]


def test_what_cannot_be_asked_is_told() -> None:
    config = tiny("etrm")
    first, second = _two()
    source = BuiltinTasks()
    device = open_device(config.training)
    learner = Learner(config, training_data.build(config, source), device)
    with pytest.raises(InvalidInput, match="nothing to decode"):
        interpolated(learner.reasoner, config, PuzzleTable(), device, first, second, 7, 3)
    large = max(source.tasks(TRAINING), key=lambda task: task.visible_side)
    with pytest.raises(InvalidInput) as refused:
        interpolated(learner.reasoner, config, PuzzleTable(), device, first, large, 0, 3)
    assert "needs a canvas of" in refused.value.problems[0].message
    assert task_named(source, "first", f"{TRAINING}/{first.id}") == first
    with pytest.raises(NotFound, match="not found"):
        task_named(source, "first", f"{TRAINING}/007bbfb8")
    with pytest.raises(InvalidInput):
        task_named(source, "first", "007bbfb7")


def test_trm_has_contexts_of_its_training_tasks_alone() -> None:
    config = tiny("trm")
    data = training_data.build(config, BuiltinTasks())
    learner = Learner(config, data, open_device(config.training))
    known = [task for task in BuiltinTasks().tasks(TRAINING) if not data.puzzles.lacks(task.id)][:2]
    asked = learner.reasoner.eval(), config, data.puzzles, learner.device
    assert len(interpolated(*asked, known[0], known[1], 0, 3).points) == 3
    strange = replace(known[1], id="strange")
    with pytest.raises(InvalidInput) as refused:
        interpolated(*asked, known[0], strange, 0, 3)
    (problem,) = refused.value.problems
    assert problem.field == "second"
    assert "TRM has embeddings of its training tasks alone" in problem.message
