"""Evaluations that search: what is found, what it costs, and that no truth ever reaches it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from backend.domain.arc.grid import Grid
from backend.domain.arc.task import Task, TestPair
from backend.domain.arc.votes import QuestionVotes, pack_trace, pack_votes, unpack_trace, unpack_votes
from backend.domain.experiment import (
    EvolutionarySearch,
    ExperimentConfig,
    GradientSearch,
    NoSearch,
    RandomSearch,
    SearchConfig,
    TrmModel,
)
from backend.domain.records import TestOutcome
from tests.support.solvers import SMALL, LaterStop, Stop, config, key
from worker.data.puzzles import PuzzleTable
from worker.evaluation.evaluator import answer, evaluate, summarise
from worker.evaluation.plan import Plan
from worker.models.build import build_reasoner

SEARCHES = (
    GradientSearch(steps=4, leave_one_out=True),
    GradientSearch(steps=4, starts=2, selection="held_out"),
    EvolutionarySearch(generations=2, population=4),
    RandomSearch(samples=5),
)
POISON = Grid(((7, 7, 7), (7, 7, 7)))
VIEWS = 3


def trm_of(settings: ExperimentConfig) -> ExperimentConfig:
    """The same with TRM in place of its model: no task has a row in its table."""
    return settings.model_copy(
        update={"model": TrmModel(core=settings.model.core, act=settings.model.act, embedding_width=16)}
    )


def searched(
    search: SearchConfig, tasks: Sequence[Task], trm: bool = False, **changes: Any
) -> list[TestOutcome]:
    settings = config(search=search, **changes)
    settings = trm_of(settings) if trm else settings
    reasoner = build_reasoner(settings, 1)
    return list(evaluate(reasoner, settings, key(tasks, VIEWS), tasks, PuzzleTable(), Stop()))


@pytest.mark.parametrize("trm", [False, True], ids=["etrm", "trm"])
@pytest.mark.parametrize("search", SEARCHES, ids=lambda search: f"{search.kind}-{search.selection}")
def test_a_poisoned_truth_changes_nothing_but_the_verdict(search: SearchConfig, trm: bool) -> None:
    tasks = SMALL[:3]
    poisoned = [
        replace(task, tests=tuple(TestPair(test.input, POISON) for test in task.tests)) for task in tasks
    ]
    hidden = [replace(task, tests=tuple(TestPair(test.input) for test in task.tests)) for task in tasks]
    for one, two, three in zip(
        *(searched(search, each, trm) for each in (tasks, poisoned, hidden)), strict=True
    ):
        assert one.trace == two.trace == three.trace
        assert one.trace
        assert one.trace.search
        assert one.trace.search.points
        grids = [[candidate.grid for candidate in each.candidates] for each in (one, two, three)]
        assert grids[0] == grids[1] == grids[2]


@pytest.mark.parametrize("search", SEARCHES, ids=lambda search: f"{search.kind}-{search.selection}")
def test_a_stop_ends_a_search_between_two_steps_and_leaves_the_model_usable(search: SearchConfig) -> None:
    settings, task = config(search=search), SMALL[0]
    reasoner, asked = build_reasoner(settings, 1), key([task], VIEWS)
    stop = LaterStop(2)  # the batch and the start ask before
    assert list(evaluate(reasoner, settings, asked, [task], PuzzleTable(), stop)) == []
    assert stop.asked == 3  # the first step was not taken
    again = list(evaluate(reasoner, settings, asked, [task], PuzzleTable(), Stop()))
    assert again == searched(search, [task])


def test_the_trace_ends_with_what_the_unchanged_view_votes_for() -> None:
    for outcome in searched(GradientSearch(steps=6), SMALL[:4]):
        assert outcome.trace
        search = outcome.trace.search
        assert search
        first = next(vote for vote in outcome.trace.votes if vote.view == 0)
        assert [point.step for point in search.points] == list(range(7))
        assert search.points[-1].grid == outcome.trace.grids[first.rank - 1]
        assert search.points[0].distance == 0 < search.points[-1].distance
        kept = min(search.points, key=lambda point: point.loss)
        assert search.kept_step == kept.step


def test_a_search_on_trm_moves_its_puzzle_embedding() -> None:
    tasks = SMALL[:3]
    changed = 0
    for outcome, plain in zip(
        searched(GradientSearch(steps=20, learning_rate=0.3), tasks, trm=True),
        searched(NoSearch(), tasks, trm=True),
        strict=True,
    ):
        assert outcome.trace
        assert outcome.trace.search
        before, after = outcome.trace.search.before, outcome.trace.search.after
        assert before.demonstrations
        assert after.demonstrations
        assert after.demonstrations < before.demonstrations
        assert outcome.trace.search.decodes > 0
        changed += outcome.candidates != plain.candidates
    assert changed


def test_what_a_search_found_is_recorded() -> None:
    for outcome in searched(GradientSearch(steps=5, starts=3, selection="held_out"), SMALL[:3]):
        assert outcome.trace
        assert outcome.trace.search
        search = outcome.trace.search
        first, kept = search.points[0], next(p for p in search.points if p.step == search.kept_step)
        assert (search.after.demonstrations, search.after.held_out) == (kept.loss, kept.held_out)
        assert search.steps == 5
        assert search.start in (1, 2, 3)
        assert first.held_out is not None
        assert search.before.held_out is not None
        assert search.after.held_out is not None
        assert search.after.held_out <= first.held_out <= search.before.held_out


def test_compute_is_counted_over_all_views_and_can_be_capped() -> None:
    tasks = SMALL[:2]
    for depth, each in (
        (1, 1 + 3 * 6),
        (None, 2 + (2 + 2) * 6),
    ):  # two ACT steps, one of them with a way back
        found = searched(GradientSearch(steps=6, act_steps=depth), tasks)
        for outcome, task in zip(found, tasks, strict=True):
            assert outcome.trace
            assert outcome.trace.search
            shown = min(len(task.demonstrations), 3)
            assert outcome.trace.search.decodes == VIEWS * shown * each
    capped = searched(GradientSearch(steps=6, most_decodes=15), tasks)
    assert all(
        each.trace and each.trace.search and each.trace.search.decodes <= VIEWS * 15 for each in capped
    )
    summary = summarise(key(tasks), capped, seconds=3.0)
    assert summary.extras["search_decodes_per_task"] <= VIEWS * 15
    assert summary.extras["seconds_per_task"] == 1.5
    assert "search_decodes_per_task" not in summarise(key(tasks), [], seconds=3.0).extras


def test_votes_and_traces_survive_packing_with_their_search() -> None:
    settings = config(search=RandomSearch(samples=3), batch_size=2)  # a question's views in two batches
    plan = Plan(SMALL[:1], settings, VIEWS, PuzzleTable())
    reasoner = build_reasoner(settings, 1)
    parts: list[QuestionVotes] = []
    for number in range(plan.batches):
        parts += answer(reasoner, settings, plan.batch(number), 2)
    assert unpack_votes(pack_votes(parts)) == parts
    assert [bool(part.search and part.search.points) for part in parts] == [True, False]
    (outcome,) = searched(RandomSearch(samples=3), SMALL[:1], batch_size=2)
    assert outcome.trace
    assert unpack_trace(pack_trace(outcome.trace)) == outcome.trace
