"""Where a task's context lies among those of training tasks, against all contexts in one batch."""

from __future__ import annotations

import pytest
import torch

from backend.domain.arc.grid import Grid
from backend.domain.arc.task import Pair, Task, TestPair
from backend.domain.play import Neighbours
from tests.support.records.tiny_runs import tiny
from worker.data.puzzles import PuzzleTable
from worker.evaluation.neighbours import ContextMap
from worker.evaluation.plan import Plan
from worker.models.build import build_reasoner
from worker.models.reasoner import Reasoner

CONFIG = tiny("etrm", evaluation={"batch_size": 64})


def task(number: int, side: int = 3) -> Task:
    """Unlike that of any other number below 100; on the larger canvas from a side of 8 on."""
    slope = 1 + number // 10
    rows = [[(number + slope * row * column) % 10 for column in range(side)] for row in range(side)]
    pair = Pair(Grid.of(rows), Grid.of(reversed(rows)))
    return Task(f"t{number:02d}", (pair, pair), (TestPair(pair.input), TestPair(pair.output)))


@pytest.fixture
def reasoner() -> Reasoner:
    torch.manual_seed(0)
    return build_reasoner(CONFIG, 1).eval()


def test_the_nearest_are_those_of_the_contexts_themselves(reasoner: Reasoner) -> None:
    known = [task(number, 3 if number % 2 else 8) for number in range(20)]
    found = ContextMap(reasoner, CONFIG, [("mine", each) for each in known])
    steps = 0
    while not found.is_complete:
        found.advance()
        steps += 1
    assert steps > 1  # a request is looked for in between
    asked = task(4, 3)
    near = found.nearest(asked)
    assert near.compared == 19  # itself is left out
    contexts = {}
    for each in (*(other for other in known if other.id != asked.id), asked):
        batch = Plan([each], CONFIG, 1, PuzzleTable()).batch(0).batch()
        with torch.no_grad():
            encoded = reasoner.encode(reasoner.initial_carry(batch), batch)
        contexts[each.id] = encoded.context[0].flatten()
    own = contexts.pop(asked.id)
    distances = {name: float((own - each).square().mean().sqrt()) for name, each in contexts.items()}
    expected = sorted(distances, key=lambda name: distances[name])[:5]
    assert [each.task_id for each in near.nearest] == expected
    ratios = [each.distance / distances[each.task_id] for each in near.nearest]
    assert ratios == pytest.approx([ratios[0]] * 5, rel=1e-4)  # one scale for all
    assert {each.set_name for each in near.nearest} == {"mine"}


def test_contexts_that_are_all_the_same_have_no_neighbours(reasoner: Reasoner) -> None:
    known = [Task(f"t{number}", task(1).demonstrations, task(1).tests) for number in range(3)]
    found = ContextMap(reasoner, CONFIG, [("mine", each) for each in known])
    while not found.is_complete:
        found.advance()
    near = found.nearest(task(2))
    assert not near.nearest
    assert "same context" in near.why_none


def compared(reasoner: Reasoner, known: list[Task]) -> Neighbours:
    """With a task that is none of them."""
    found = ContextMap(reasoner, CONFIG, [("mine", each) for each in known])
    while not found.is_complete:
        found.advance()
    return found.nearest(task(20))


@pytest.mark.parametrize("number", [0, 1])
def test_too_few_training_tasks_are_not_called_the_same(reasoner: Reasoner, number: int) -> None:
    near = compared(reasoner, [task(each) for each in range(number)])
    assert (near.nearest, near.compared) == ((), number)
    assert "fewer than two training tasks" in near.why_none


def test_a_model_that_diverged_has_no_distances(reasoner: Reasoner) -> None:
    with torch.no_grad():
        for _, weight in reasoner.context.named_parameters():
            weight.fill_(torch.nan)
    near = compared(reasoner, [task(each) for each in range(4)])
    assert not near.nearest
    assert "not finite" in near.why_none
