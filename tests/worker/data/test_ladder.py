"""The ladder: valid ARC tasks, always the same, whose demonstrations leave one answer."""

from __future__ import annotations

import json
from itertools import permutations, product

import numpy as np
import pytest

from backend.domain.arc.files import parse_tasks
from backend.domain.arc.task import Task
from backend.domain.experiment import GENERATED_FAMILIES
from backend.domain.experiment.generated import LADDER
from worker.data.procedural.families import FAMILIES, draw_task, draws_of
from worker.data.procedural.kinds import Deciding, TwoSteps
from worker.data.procedural.logic import Choice
from worker.data.procedural.operations import Recolour
from worker.data.procedural.recolouring import Recolouring
from worker.data.procedural.rules import SPLITS, Rule
from worker.data.tokens import Cells, as_cells

RUNGS = [family.name for family in LADDER]


def test_every_family_is_made() -> None:
    assert set(RUNGS) < set(FAMILIES) == set(GENERATED_FAMILIES)


@pytest.mark.parametrize("name", RUNGS)
def test_tasks_are_valid_arc_tasks_and_always_the_same(name: str) -> None:
    for split in SPLITS:
        tasks = [task for task, _ in draws_of(FAMILIES[name], split, 30)]
        written = {task.id: _as_json(task) for task in tasks}
        assert parse_tasks(json.dumps(written).encode(), "ladder.json") == tuple(tasks)
        assert len({task.demonstrations for task in tasks}) == len(tasks)
        assert max(task.side for task in tasks) <= 10
        number = int(tasks[7].id[:5])
        assert draw_task(FAMILIES[name], split, number)[0] == tasks[7]
    one, other = (draw_task(FAMILIES[name], split, 0)[0] for split in SPLITS)
    assert one.demonstrations != other.demonstrations


@pytest.mark.parametrize("name", [*RUNGS, "control"])
def test_no_rule_of_the_family_agrees_on_the_demonstrations_and_differs_on_the_test(name: str) -> None:
    """Every rule of the family is tried, by itself: on recolourings every image of every colour shown."""
    for split in SPLITS:
        for task, rule in draws_of(FAMILIES[name], split, 2):
            shown = [(as_cells(pair.input), as_cells(pair.output)) for pair in task.demonstrations]
            question = as_cells(task.tests[0].input)
            answers = set()
            for other in _every_rule(name, shown):
                if all(np.array_equal(other.apply(before), after) for before, after in shown):
                    answer = other.apply(question)
                    answers.add((answer.shape, answer.tobytes()))
            expected = rule.apply(question)
            assert answers == {(expected.shape, expected.tobytes())}


def _every_rule(name: str, shown: list[tuple[Cells, Cells]]) -> list[Rule]:
    kind = FAMILIES[name].kind
    if isinstance(kind, TwoSteps):
        return [Rule.of(steps) for steps in product(kind.heads, kind.tails)]
    if isinstance(kind, Deciding):
        pairs = list(permutations(kind.moves, 2))
        return [Rule.of((Choice(asks, *moves),)) for asks in kind.properties for moves in pairs]
    assert isinstance(kind, Recolouring)
    colours = sorted({colour for before, _ in shown for colour in before.ravel().tolist() if colour})
    return [
        Rule.of((Recolour(tuple(zip(colours, images, strict=True))), *moves))
        for images in permutations(range(1, kind.palette + 1), len(colours))
        for moves in kind.moves
    ]


def _as_json(task: Task) -> dict[str, object]:
    return {
        "train": [
            {"input": pair.input.as_lists(), "output": pair.output.as_lists()} for pair in task.demonstrations
        ],
        "test": [
            {"input": test.input.as_lists(), "output": test.output.as_lists() if test.output else None}
            for test in task.tests
        ],
    }
