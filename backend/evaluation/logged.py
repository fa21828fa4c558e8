"""Predictions that a script logs: they become an evaluation of its run, judged here like any other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy.orm import Session

from backend.data import service as datasets
from backend.domain.arc.judging import Candidate, judged
from backend.domain.arc.task import Task, TestPair
from backend.domain.hypothesis.measure import ATTEMPTS
from backend.domain.measurement import Settings, digest_of
from backend.domain.records import (
    TRUTH_UNKNOWN,
    EvaluationKey,
    EvaluationSummary,
    TestOutcome,
)
from backend.domain.statistics import pass_at, ranks_by_task
from backend.evaluation import outcomes
from backend.kit.errors import FieldProblem, InvalidInput, NotFound
from backend.kit.format import counted
from backend.kit.problems import invalid, one_of
from backend.lifecycle import external_runs
from backend.runs import queries as run_rows
from backend.scores import queries as rows

_invalid = partial(invalid, "The predictions were not written.")
NOT_LOGGED = "no prediction was logged"


@dataclass(frozen=True)
class Answer:
    """What a script's model makes of one test input: its candidates, best first where votes are equal."""

    task_id: str
    test_index: int
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True)
class Checkpoint:
    """Which state of the model answered which set, and how."""

    set_name: str
    step: int
    settings: Settings


def log(session: Session, run_id: str, checkpoint: Checkpoint, answers: Sequence[Answer]) -> int:
    """Judge the answers and keep them in the run's evaluation of this checkpoint, whose id is returned.

    An answer to a test input that was answered before replaces it. The scores count every task that has an
    answer, with all its test inputs: one without an answer counts as not solved. InvalidInput names the
    field; Conflict where the run is not logged by a script, or is over.
    """
    external_runs.check_logs_here(session, run_id)
    run_rows.hold(session, run_id)  # two requests at once would each miss the other's tasks
    tasks = _tasks(session, checkpoint.set_name, answers)
    key, evaluation_id = _evaluation(session, run_id, checkpoint, tasks)
    for outcome in _unanswered(tasks, outcomes.done_keys(session, evaluation_id)):
        outcomes.add_outcome(session, evaluation_id, outcome)
    for answer in answers:
        outcome = _outcome(answer, tasks[answer.task_id].tests[answer.test_index], key.views)
        outcomes.add_outcome(session, evaluation_id, outcome)
    summary = _summary(session, evaluation_id, key)
    outcomes.finish_evaluation(session, evaluation_id, summary, is_growing=True)
    external_runs.hear(session, run_id, step=checkpoint.step)
    return evaluation_id


def _tasks(session: Session, set_name: str, answers: Sequence[Answer]) -> Mapping[str, Task]:
    """The tasks that are answered; InvalidInput names a set, task or test input that does not exist."""
    try:
        tasks = datasets.with_ids(session, set_name, {answer.task_id for answer in answers})
    except NotFound:
        known = [each.name for each in datasets.sets(session)]
        hint = f"{one_of(set_name, known)} Import a set of your own with etrm data import."
        raise _invalid("set", f"unknown task set {set_name!r}.", hint) from None
    problems = [
        problem for at, answer in enumerate(answers) if (problem := _problem(at, answer, tasks, set_name))
    ]
    if problems:
        raise InvalidInput("The predictions were not written.", problems=problems[:20])
    return tasks


def _problem(at: int, answer: Answer, tasks: Mapping[str, Task], set_name: str) -> FieldProblem | None:
    task = tasks.get(answer.task_id)
    if task is None:
        return FieldProblem(f"predictions.{at}.task", f"{set_name} has no task {answer.task_id!r}.")
    if answer.test_index >= len(task.tests):
        number = counted(len(task.tests), "test input")
        text = f"task {task.id} has {number}, counted from 0; {answer.test_index} is none of them."
        return FieldProblem(f"predictions.{at}.test", text)
    return None


def _evaluation(
    session: Session, run_id: str, checkpoint: Checkpoint, tasks: Mapping[str, Task]
) -> tuple[EvaluationKey, int]:
    """The run's evaluation of this checkpoint and its key, over these tasks as well; it is running."""
    before = rows.with_settings(session, run_id, checkpoint.set_name, checkpoint.step, checkpoint.settings)
    answered = before.task_ids if before else []
    settings = checkpoint.settings
    key = EvaluationKey(
        set_name=checkpoint.set_name,
        step=checkpoint.step,
        weights="raw" if settings.weights == "raw" else "ema",
        views=settings.views,
        act_steps=settings.act_steps,
        task_ids=(*answered, *(each for each in tasks if each not in set(answered))),
    )
    if before:
        before.tasks_digest = digest_of(key.task_ids)  # the same evaluation, of more tasks
        session.flush()
    return key, outcomes.start_evaluation(session, run_id, key)


def _unanswered(tasks: Mapping[str, Task], answered: frozenset[tuple[str, int]]) -> list[TestOutcome]:
    """The test inputs of the tasks that were not heard of yet: the score of a task counts all of them."""
    return [
        TestOutcome(task.id, index, 0, None, (), NOT_LOGGED if test.output else TRUTH_UNKNOWN)
        for task in tasks.values()
        for index, test in enumerate(task.tests)
        if (task.id, index) not in answered
    ]


def _outcome(answer: Answer, test: TestPair, views: int) -> TestOutcome:
    by_votes = sorted(answer.candidates, key=lambda each: -each.votes)  # equal ones stay in their order
    candidates = tuple(judged(rank, each, test) for rank, each in enumerate(by_votes, 1))
    return TestOutcome(
        task_id=answer.task_id,
        test_index=answer.test_index,
        views=max(views, sum(each.votes for each in answer.candidates)),
        truth_rank=next((each.rank for each in candidates if each.correct), None),
        candidates=candidates,
        note="" if test.output else TRUTH_UNKNOWN,
    )


def _summary(session: Session, evaluation_id: int, key: EvaluationKey) -> EvaluationSummary:
    judged = [each for each in rows.outcomes_of(session, evaluation_id) if each.note != TRUTH_UNKNOWN]
    ranks = ranks_by_task((each.task_id, each.truth_rank) for each in judged)
    return EvaluationSummary(
        key=key,
        passes={k: pass_at(ranks, k) for k in ATTEMPTS},
        failure_modes=rows.first_attempts(session, evaluation_id),
    )
