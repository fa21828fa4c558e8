"""Evaluations and what they predicted."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from sqlalchemy import Row
from sqlalchemy.orm import Session

from backend.alerts import service as alerts
from backend.data.queries import task_from
from backend.data.tables import Task as TaskRow
from backend.domain.alerts import Event
from backend.domain.arc.grid import Grid
from backend.domain.arc.task import Task
from backend.domain.arc.votes import pack_trace
from backend.domain.measurement import COLUMNS
from backend.domain.records import (
    EvaluationKey,
    EvaluationSummary,
    FailureMode,
    Prediction,
    Score,
    TestOutcome,
)
from backend.hypothesis import service as hypotheses
from backend.kit import cursors
from backend.kit.errors import IllegalTransition, InvalidInput
from backend.kit.problems import invalid_query, not_valid
from backend.run_view import scores as run_scores
from backend.runs.status import RunStatus
from backend.scores import queries as rows
from backend.scores import tables
from backend.scores.transition import transition_evaluation

EvaluationStatus = Literal["queued", "running", "cancelling", "finished", "failed", "cancelled"]
CORRECT = "correct"  # the filter beside the failure modes
MAX_PAGE = 200


@dataclass(frozen=True)
class StoredEvaluation:
    """One scoring of one checkpoint, finished or under way."""

    id: int
    key: EvaluationKey
    status: EvaluationStatus
    outcomes: int  # test inputs done so far
    passes: Mapping[int, Score]
    failure_modes: Mapping[str, int]
    seconds: float
    extras: Mapping[str, Any]
    created_at: float
    finished_at: float | None


@dataclass(frozen=True)
class PredictionItem:
    """What an evaluation made of one test input, with all it takes to draw it.

    `task`, `test_input` and `truth` are None where the task has gone from its set (and `truth` where it
    was never known).
    """

    outcome_id: int
    evaluation_id: int
    set_name: str
    step: int
    weights: str
    outcome: TestOutcome  # its candidates by rank
    task: Task | None
    test_input: Grid | None
    truth: Grid | None


@dataclass(frozen=True)
class PredictionPage:
    """Items and the cursor of the next page, None on the last."""

    items: tuple[PredictionItem, ...]
    next_cursor: str | None


def start_evaluation(session: Session, run_id: str, key: EvaluationKey) -> int:
    """Id of the run's evaluation of this key. One that was started before continues: it keeps its outcomes
    (`done_keys`)."""
    evaluation = rows.put(
        session,
        run_id=run_id,
        step=key.step,
        **{name: getattr(key, name) for name in COLUMNS},
        task_ids=list(key.task_ids),
        status=RunStatus.RUNNING,
        passes={},
        failure_modes={},
        seconds=0.0,
        extras={},
        created_at=time.time(),
        finished_at=None,
    )
    before = (RunStatus.QUEUED, RunStatus.FINISHED, RunStatus.FAILED, RunStatus.CANCELLED)
    transition_evaluation(session, evaluation, before, RunStatus.RUNNING)
    run_scores.keep(session, run_id)
    return evaluation.id


def done_keys(session: Session, evaluation_id: int) -> frozenset[tuple[str, int]]:
    """(task id, test index) of what is done: a resumed evaluation leaves it out."""
    return rows.keys_of_outcomes(session, evaluation_id)


def outcomes(session: Session, evaluation_id: int) -> tuple[TestOutcome, ...]:
    """Everything the evaluation has found, in the order it was found."""
    found = rows.outcomes_of(session, evaluation_id)
    candidates = rows.predictions_of(session, [outcome.id for outcome in found])
    return tuple(outcome_from(outcome, candidates.get(outcome.id, [])) for outcome in found)


def add_outcome(session: Session, evaluation_id: int, outcome: TestOutcome) -> None:
    """Keep the outcome; one of the same task and test is replaced."""
    outcome_id = rows.put_outcome(
        session,
        evaluation_id=evaluation_id,
        task_id=outcome.task_id,
        test_index=outcome.test_index,
        views=outcome.views,
        truth_rank=outcome.truth_rank,
        note=outcome.note,
    )
    rows.replace_predictions(session, outcome_id, [_columns(each) for each in outcome.candidates])
    if outcome.trace is not None:
        rows.put_trace(session, outcome_id, pack_trace(outcome.trace))


def finish_evaluation(
    session: Session, evaluation_id: int, summary: EvaluationSummary, text: str = "", is_growing: bool = False
) -> None:
    """Keep the scores; the evaluation is finished. `text` as in `transition_evaluation`. With `is_growing`
    more may come, and nobody is told; nor of one that is no result of its run, but part of an ablation."""
    evaluation = rows.get(session, evaluation_id)
    assert evaluation is not None
    finished = transition_evaluation(
        session,
        evaluation,
        (RunStatus.RUNNING, RunStatus.CANCELLING),
        RunStatus.FINISHED,
        text,
        passes={str(k): [score.solved, score.n] for k, score in summary.passes.items()},
        failure_modes=dict(summary.failure_modes),
        seconds=summary.seconds,
        extras=dict(summary.extras),
    )
    if not finished and evaluation.status != RunStatus.FINISHED:  # else a second try of what was written
        raise IllegalTransition(f"Evaluation {evaluation_id} is {evaluation.status}: it cannot be finished.")
    run_id = evaluation.run_id
    run_scores.keep(session, run_id)
    if finished and not is_growing and evaluation.is_result:
        alerts.tell(session, Event.EVALUATION, run_id, "Finished.", evaluation_id)
    hypotheses.settle(session, run_id)


def evaluations(session: Session, run_id: str) -> list[StoredEvaluation]:
    """The run's evaluations, newest first."""
    return [_stored(row, done) for row, done in rows.of_run(session, run_id)]


def page(
    session: Session,
    run_id: str,
    failure_mode: str | None = None,
    evaluation: int | None = None,
    limit: int = 24,
    cursor: str | None = None,
) -> PredictionPage:
    """The run's test inputs and what was made of them, newest evaluation first.

    `failure_mode` keeps those whose first attempt failed so, or was "correct". InvalidInput names the
    field that cannot be used.
    """
    mode = _checked_mode(failure_mode)
    limit = _checked_limit(limit)
    found = rows.page_of_outcomes(
        session,
        run_id,
        limit=limit + 1,  # one more tells whether there is a next page
        after=cursors.read(cursor, int, int),  # of the evaluation and the outcome shown last
        evaluation_id=evaluation,
        failure_mode=None if mode == CORRECT else mode,
        correct=True if mode == CORRECT else None,
    )
    shown, more = cursors.cut(found, limit, lambda row: (row[0].evaluation_id, row[0].id))
    candidates = rows.predictions_of(session, [outcome.id for outcome, _, _ in shown])
    items = tuple(_item(row, candidates.get(row[0].id, [])) for row in shown)
    return PredictionPage(items, more)


def _checked_mode(mode: str | None) -> str | None:
    known = [CORRECT, *FailureMode]
    if not mode or mode in known:
        return mode or None
    raise InvalidInput("Invalid query.", problems=[not_valid("failure_mode", mode, known)])


def _checked_limit(limit: int) -> int:
    if not 1 <= limit <= MAX_PAGE:
        raise invalid_query("limit", f"must lie in 1 to {MAX_PAGE}, not {limit}.")
    return limit


def _item(
    row: Row[tables.Outcome, tables.Evaluation, TaskRow | None], candidates: Sequence[tables.Prediction]
) -> PredictionItem:
    outcome, evaluation, task_row = row
    task = task_from(task_row.id, task_row.demonstrations, task_row.tests) if task_row else None
    test = task.tests[outcome.test_index] if task and outcome.test_index < len(task.tests) else None
    return PredictionItem(
        outcome_id=outcome.id,
        evaluation_id=evaluation.id,
        set_name=evaluation.set_name,
        step=evaluation.step,
        weights=evaluation.weights,
        outcome=outcome_from(outcome, candidates),
        task=task,
        test_input=test.input if test else None,
        truth=test.output if test else None,
    )


def outcome_from(row: tables.Outcome, candidates: Sequence[tables.Prediction]) -> TestOutcome:
    """An outcome from its row and those of its candidates, by rank."""
    return TestOutcome(
        task_id=row.task_id,
        test_index=row.test_index,
        views=row.views,
        truth_rank=row.truth_rank,
        candidates=tuple(_prediction(each) for each in candidates),
        note=row.note,
    )


def _prediction(row: tables.Prediction) -> Prediction:
    return Prediction(
        rank=row.rank,
        grid=Grid.from_digits(row.grid),
        votes=row.votes,
        confidence=row.confidence,
        correct=row.correct,
        cell_accuracy=row.cell_accuracy,
        failure_mode=FailureMode(row.failure_mode) if row.failure_mode else None,
    )


def _columns(prediction: Prediction) -> dict[str, Any]:
    confidence = prediction.confidence  # NaN from a model that diverged; no database orders by that
    return {
        "rank": prediction.rank,
        "grid": prediction.grid.digits,
        "votes": prediction.votes,
        "confidence": 0.0 if math.isnan(confidence) else float(confidence),
        "correct": prediction.correct,
        "cell_accuracy": float(prediction.cell_accuracy),
        "failure_mode": prediction.failure_mode,
    }


def key_of(row: tables.Evaluation) -> EvaluationKey:
    """What an evaluation was measured on."""
    return EvaluationKey(
        set_name=row.set_name,
        step=row.step,
        weights=cast(Literal["ema", "raw"], row.weights),
        views=row.views,
        act_steps=row.act_steps,
        task_ids=tuple(row.task_ids),
        search=row.search,
        canvas=row.canvas,
        distinct_views=row.distinct_views,
        adaptation=row.adaptation,
        intervention=row.intervention,
    )


def _stored(row: tables.Evaluation, done: int) -> StoredEvaluation:
    return StoredEvaluation(
        id=row.id,
        key=key_of(row),
        status=cast(EvaluationStatus, row.status),
        outcomes=done,
        passes={int(k): Score(*score) for k, score in row.passes.items()},
        failure_modes=row.failure_modes,
        seconds=row.seconds,
        extras=row.extras,
        created_at=row.created_at,
        finished_at=row.finished_at,
    )
