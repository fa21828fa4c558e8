"""Ensembles of stored evaluations: one ranking out of all votes, and members that do not fit."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from sqlalchemy import Engine

from backend.db.session import reading_scope, session_scope
from backend.domain.arc.files import read_built_in
from backend.domain.arc.grid import Grid
from backend.domain.arc.task import Task, TestPair
from backend.domain.arc.votes import QuestionVotes, ViewVote
from backend.domain.records import NO_EMBEDDING, TRUTH_UNKNOWN, EvaluationKey, TestOutcome
from backend.ensembles import service as ensembles
from backend.ensembles.views import EnsembleView
from backend.evaluation import outcomes as predictions
from backend.kit.errors import Conflict, InvalidInput, NotFound
from backend.scores import queries as rows
from tests.support.records.rows import HELD_OUT, add_run
from worker.evaluation.evaluator import ATTEMPTS, summarise
from worker.evaluation.judging import judge
from worker.evaluation.views import Question

RUNS = ("aaaaaaaaaa", "bbbbbbbbbb", "cccccccccc")
SMALL = [task for task in read_built_in(HELD_OUT) if task.visible_side <= 10]
TASKS = tuple(SMALL[:9] + [task for task in SMALL[9:] if len(task.tests) > 1][:2])
VIEWS = 6
KEY = EvaluationKey(HELD_OUT, 100, "ema", VIEWS, 4, tuple(task.id for task in TASKS))


@pytest.fixture(autouse=True)
def _runs(engine: Engine) -> None:
    for at, run_id in enumerate(RUNS):
        config = {"data": {"training_sets": ["trained"]}}
        add_run(engine, run_id, config=config, seed=at, variant="deterministic")


def cast(task: Task, test_index: int, seed: int, views: int = VIEWS) -> list[ViewVote]:
    """Votes of a middling model: now right, now one of two usual mistakes, now something of its own."""
    draw = random.Random(f"{seed}/{task.id}/{test_index}")
    truth = task.tests[test_index].output
    assert truth is not None
    usual = [task.tests[test_index].input, Grid.of([[0]])]
    odd = random.Random(task.id).random()  # how hard the task is, for every member
    found = []
    for view in range(views):
        lucky, mistake = draw.random() < odd / 2, draw.random()
        own = Grid.of([[draw.randrange(10) for _ in range(2)]])
        grid = truth if lucky else usual[0] if mistake < 0.3 else usual[1] if mistake < 0.5 else own
        found.append(ViewVote(view, view % 8, "0123456789", grid, draw.choice([0.25, 0.5, 0.75])))
    return found


def judged(task: Task, test_index: int, votes: Sequence[ViewVote], keep: int = 5) -> TestOutcome:
    """What the worker makes of the votes."""
    question = Question(task, test_index, task.demonstrations)
    return judge(question, QuestionVotes(task.id, test_index, tuple(votes)), keep, (30, 30))


def outcomes_of(seed: int, tasks: Sequence[Task] = TASKS, keep: int = 5) -> list[TestOutcome]:
    return [
        judged(task, index, cast(task, index, seed), keep)
        for task in tasks
        for index in range(len(task.tests))
    ]


def store(engine: Engine, run_id: str, outcomes: Sequence[TestOutcome], key: EvaluationKey = KEY) -> int:
    """Id of a finished evaluation with these outcomes."""
    with session_scope(engine) as session:
        evaluation_id = predictions.start_evaluation(session, run_id, key)
        for outcome in outcomes:
            predictions.add_outcome(session, evaluation_id, outcome)
        predictions.finish_evaluation(session, evaluation_id, summarise(key, outcomes, 1.0))
    return evaluation_id


def ensemble(engine: Engine, *members: object, k: int = 1) -> EnsembleView:
    with reading_scope(engine) as session:
        return ensembles.ensemble(session, [str(each) for each in members], k)


def refused(engine: Engine, *members: object) -> str:
    with pytest.raises(Conflict) as error:
        ensemble(engine, *members)
    return error.value.message


def test_an_ensemble_is_one_evaluation_that_had_all_the_views(engine: Engine) -> None:
    """Against the worker's own vote, judgement and scores on the votes of all members together."""
    ids = [store(engine, run_id, outcomes_of(seed)) for seed, run_id in enumerate(RUNS)]
    together = [
        judged(task, index, [vote for seed in range(3) for vote in cast(task, index, seed)])
        for task in TASKS
        for index in range(len(task.tests))
    ]
    expected = summarise(KEY, together, 1.0)

    found = ensemble(engine, *ids)

    assert [(each.task_id, each.test_index, each.truth_rank) for each in found.test_inputs] == sorted(
        (each.task_id, each.test_index, each.truth_rank) for each in together
    )
    assert {each.k: (each.solved, each.n) for each in found.passes} == {
        k: (expected.passes[k].solved, expected.passes[k].n) for k in ATTEMPTS
    }
    firsts = {(each.task_id, each.test_index): each.candidates[0] for each in together}
    for each in found.test_inputs:
        first = firsts[each.task_id, each.test_index]
        assert (each.first_votes, each.first_confidence) == (first.votes, pytest.approx(first.confidence))
    assert (found.n, found.votes, found.lost_votes, found.note) == (
        len(TASKS), 3 * VIEWS * len(together), 0, "",
    )  # fmt: skip
    assert found.oracle
    assert found.oracle.found == sum(each.truth_rank is not None for each in together)


def test_members_stand_beside_it_with_the_paired_difference_to_the_best(engine: Engine) -> None:
    ids = [store(engine, run_id, outcomes_of(seed)) for seed, run_id in enumerate(RUNS)]
    with reading_scope(engine) as session:
        own = {each: dict(rows.truth_ranks(session, each)) for each in ids}

    for k in (1, 2):
        found = ensemble(engine, *ids, k=k)
        for each in found.members:
            scores = [
                sum(rank is not None and rank <= k for rank in ranks) / len(ranks)
                for ranks in own[each.evaluation].values()
            ]
            assert each.score.solved == pytest.approx(math.fsum(scores))
        best = max(found.members, key=lambda each: each.score.solved)
        against = found.against_best
        assert (
            next(each for each in found.members if each.evaluation == against.evaluation).score == best.score
        )
        gain = (found.score.solved - best.score.solved) / found.n
        assert against.difference.mean == pytest.approx(gain)
        assert against.difference.low <= gain <= against.difference.high
        assert (
            f"ensemble {found.score.solved:g}/{found.n}, best member {best.score.solved:g}" in against.words
        )


def test_neither_order_nor_repetition_changes_it_and_a_run_is_its_newest_result(engine: Engine) -> None:
    ids = [store(engine, run_id, outcomes_of(seed)) for seed, run_id in enumerate(RUNS)]
    found = ensemble(engine, *ids)
    assert found == ensemble(engine, *reversed(ids), ids[0]) == ensemble(engine, *RUNS)
    assert [(each.evaluation, each.run_id, each.seed) for each in found.members] == [
        (ids[at], RUNS[at], at) for at in range(3)
    ]


def test_checkpoints_of_one_run_are_members_too(engine: Engine) -> None:
    ids = [store(engine, RUNS[0], outcomes_of(at), replace(KEY, step=100 * at)) for at in (1, 2)]
    assert [each.step for each in ensemble(engine, *ids).members] == [100, 200]


def test_what_was_not_kept_is_said(engine: Engine) -> None:
    whole = store(engine, RUNS[0], outcomes_of(0))
    old = store(engine, RUNS[1], [replace(each, trace=None) for each in outcomes_of(1, keep=2)])
    kept = sum(candidate.votes for each in outcomes_of(1, keep=2) for candidate in each.candidates)

    found = ensemble(engine, whole, old)

    lost = VIEWS * len(outcomes_of(1)) - kept
    assert lost > 0
    assert [each.complete for each in found.members] == [True, False]
    assert found.lost_votes == lost
    assert found.note.startswith(f"{lost} votes of members without stored votes went to candidates")


def test_a_member_that_kept_nothing_is_refused_by_name(engine: Engine) -> None:
    whole = store(engine, RUNS[0], outcomes_of(0))
    empty = store(engine, RUNS[1], [replace(each, trace=None, candidates=()) for each in outcomes_of(1)])
    said = refused(engine, whole, empty)
    assert f"evaluation {empty} ({RUNS[1]}, step 100) kept none of its votes on " in said


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"views": 16}, "different views (6 and 16)"),
        ({"weights": "raw"}, "different weights (EMA and raw)"),
        ({"act_steps": 1}, "different ACT steps (4 and 1)"),
        ({"search": '{"kind":"gradient","steps":5}'}, "different searches"),
        ({"set_name": "elsewhere"}, "different task sets"),
        ({"task_ids": KEY.task_ids[:5]}, "different tasks (11 and 5, 5 in common)"),
    ],
)
def test_a_member_that_was_asked_otherwise_is_refused_by_name(
    engine: Engine, changes: dict[str, object], why: str
) -> None:
    first, second = (store(engine, run_id, outcomes_of(at)) for at, run_id in enumerate(RUNS[:2]))
    other = store(engine, RUNS[2], outcomes_of(2), replace(KEY, **changes))  # type: ignore[arg-type]
    said = refused(engine, first, second, other)
    assert f"evaluation {other} ({RUNS[2]}, step 100) does not fit {first}: {why}" in said
    assert f"evaluation {second}" not in said


def test_other_denominators_and_truths_are_refused_by_name(engine: Engine) -> None:
    whole = outcomes_of(0)
    first = store(engine, RUNS[0], whole)

    fewer = store(engine, RUNS[1], outcomes_of(1)[:-1])
    assert f"evaluation {fewer}" in (said := refused(engine, first, fewer))
    assert f"different test inputs ({whole[-1].task_id} #{whole[-1].test_index + 1})" in said

    blind = [replace(each, truth_rank=None, note=TRUTH_UNKNOWN) for each in outcomes_of(1)[:1]]
    unknown = store(engine, RUNS[1], [*blind, *outcomes_of(1)[1:]], replace(KEY, step=7))
    assert "whose truth only one of them knew" in refused(engine, first, unknown)

    changed = replace(TASKS[0], tests=(TestPair(TASKS[0].tests[0].input, Grid.of([[0]])),))
    right = [ViewVote(view, 0, "0123456789", Grid.of([[0]]), 0.5) for view in range(VIEWS)]
    of_changed = [judged(changed, 0, right), *outcomes_of(1)[1:]]
    another = store(engine, RUNS[1], of_changed, replace(KEY, step=8))
    solved = [judged(TASKS[0], 0, [v._replace(grid=TASKS[0].tests[0].output) for v in right]), *whole[1:]]  # type: ignore[arg-type]
    sure = store(engine, RUNS[2], solved)
    said = refused(engine, sure, another)
    assert f"evaluation {max(sure, another)} " in said
    assert f"was judged by another truth of {TASKS[0].id} #1" in said


def test_tasks_without_an_embedding_are_no_part_of_it(engine: Engine) -> None:
    """TRM trained with some of the tasks: its score counts those alone, and so does the ensemble."""
    known = [task.id for task in TASKS[:5]]
    of_trm = [each if each.task_id in known else replace(each, note=NO_EMBEDDING) for each in outcomes_of(0)]
    some = outcomes_of(1, TASKS[:5])
    mixed = store(engine, RUNS[0], of_trm)
    alone = store(engine, RUNS[1], some, replace(KEY, task_ids=tuple(known)))
    found = ensemble(engine, mixed, alone)
    assert {each.task_id for each in found.test_inputs} == set(known)
    assert found.n == len(known)
    whole = store(engine, RUNS[2], outcomes_of(2))
    assert f"different tasks (5 and {len(TASKS)}, 5 in common)" in refused(engine, mixed, whole)


def test_what_is_no_choice_of_members_is_refused(engine: Engine) -> None:
    only = store(engine, RUNS[0], outcomes_of(0))
    for members in ([], [only], [only, RUNS[0]]):
        with pytest.raises(InvalidInput) as wrong:
            ensemble(engine, *members)
        assert [each.field for each in wrong.value.problems] == ["members"]
    with pytest.raises(NotFound):
        ensemble(engine, only, 999)
    with pytest.raises(NotFound, match="no finished evaluation"):
        ensemble(engine, only, RUNS[1])
    with session_scope(engine) as session:
        running = predictions.start_evaluation(session, RUNS[1], KEY)
    assert f"evaluation {running} is running" in refused(engine, only, running)
