"""Evaluations, outcomes and predictions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import Row, delete, func, insert, select
from sqlalchemy.orm import Session, aliased

from backend.data.tables import Task
from backend.db.upsert import insert_or
from backend.domain.measurement import COLUMNS, Settings
from backend.domain.records import NO_EMBEDDING, UNCOUNTED
from backend.domain.statistics import ranks_by_task
from backend.runs.tables import Checkpoint
from backend.scores.tables import Evaluation, Outcome, OutcomeTrace, Prediction

KEY = ("run_id", "step", *COLUMNS)
FIRST_ATTEMPT = 1


def put(session: Session, **values: Any) -> Evaluation:
    """The evaluation of this key; one that exists gets the values but for its status."""
    statement = insert_or(session, Evaluation).values(**values)
    statement = statement.on_conflict_do_update(
        index_elements=list(KEY),
        set_={key: values[key] for key in values if key not in (*KEY, "created_at", "status")},
    )
    evaluation_id = session.execute(statement.returning(Evaluation.id)).scalar_one()
    return session.get_one(Evaluation, evaluation_id, populate_existing=True)


def put_trace(session: Session, outcome_id: int, packed: bytes) -> None:
    statement = insert_or(session, OutcomeTrace).values(outcome_id=outcome_id, packed=packed)
    session.execute(statement.on_conflict_do_update(index_elements=["outcome_id"], set_={"packed": packed}))


def outcome_with_trace(
    session: Session, evaluation_id: int, task_id: str, test_index: int
) -> Row[Outcome, bytes | None] | None:
    """(outcome, packed trace or None) of one test input."""
    query = (
        select(Outcome, OutcomeTrace.packed)
        .outerjoin(OutcomeTrace, OutcomeTrace.outcome_id == Outcome.id)
        .where(
            Outcome.evaluation_id == evaluation_id,
            Outcome.task_id == task_id,
            Outcome.test_index == test_index,
        )
    )
    return session.execute(query).one_or_none()


def put_outcome(session: Session, **values: Any) -> int:
    """Id of the outcome of this evaluation, task and test, inserted or brought up to date."""
    key = ("evaluation_id", "task_id", "test_index")
    statement = insert_or(session, Outcome).values(**values)
    statement = statement.on_conflict_do_update(
        index_elements=list(key), set_={name: values[name] for name in values if name not in key}
    )
    return session.execute(statement.returning(Outcome.id)).scalar_one()


def replace_predictions(session: Session, outcome_id: int, rows: Iterable[dict[str, Any]]) -> None:
    session.execute(delete(Prediction).where(Prediction.outcome_id == outcome_id))
    new = [{"outcome_id": outcome_id} | row for row in rows]
    if new:
        session.execute(insert(Prediction), new)


def keys_of_outcomes(session: Session, evaluation_id: int) -> frozenset[tuple[str, int]]:
    """(task id, test index) of what the evaluation has finished."""
    query = select(Outcome.task_id, Outcome.test_index).where(Outcome.evaluation_id == evaluation_id)
    return frozenset((row.task_id, row.test_index) for row in session.execute(query))


def outcomes_of(session: Session, evaluation_id: int) -> Sequence[Outcome]:
    query = select(Outcome).where(Outcome.evaluation_id == evaluation_id).order_by(Outcome.id)
    return session.scalars(query.execution_options(populate_existing=True)).all()


def predictions_of(session: Session, outcome_ids: Collection[int]) -> dict[int, list[Prediction]]:
    """Candidates by outcome, by rank."""
    query = select(Prediction).where(Prediction.outcome_id.in_(outcome_ids))
    found: dict[int, list[Prediction]] = {}
    for prediction in session.scalars(query.order_by(Prediction.outcome_id, Prediction.rank)):
        found.setdefault(prediction.outcome_id, []).append(prediction)
    return found


def get(session: Session, evaluation_id: int) -> Evaluation | None:
    """The evaluation as the database has it now."""
    return session.get(Evaluation, evaluation_id, populate_existing=True)


def add(session: Session, **values: Any) -> Evaluation:
    evaluation = Evaluation(**values)
    session.add(evaluation)
    session.flush()
    return evaluation


def of_key(session: Session, **key: Any) -> Evaluation | None:
    """The evaluation of exactly this key (`KEY`)."""
    return session.scalars(select(Evaluation).filter_by(**key)).one_or_none()


def with_settings(
    session: Session, run_id: str, set_name: str, step: int, settings: Settings
) -> Evaluation | None:
    """The evaluation of a checkpoint on a set by these settings, whatever its tasks; the first of several."""
    same = {field.name: getattr(settings, field.name) for field in fields(Settings)}
    query = select(Evaluation).filter_by(run_id=run_id, set_name=set_name, step=step, **same)
    return session.scalars(query.order_by(Evaluation.id).limit(1)).one_or_none()


def delete_outcomes(session: Session, evaluation_id: int) -> None:
    session.execute(delete(Outcome).where(Outcome.evaluation_id == evaluation_id))


def first_attempts(session: Session, evaluation_id: int) -> dict[str, int]:
    """Failure mode -> how many first attempts failed so, where the truth is known."""
    query = (
        select(Prediction.failure_mode, func.count())
        .join(Outcome, Outcome.id == Prediction.outcome_id)
        .where(
            Outcome.evaluation_id == evaluation_id,
            Prediction.rank == FIRST_ATTEMPT,
            Prediction.failure_mode.is_not(None),
            Outcome.note != NO_EMBEDDING,
        )
        .group_by(Prediction.failure_mode)
    )
    return {str(mode): count for mode, count in session.execute(query)}


def traces_of(session: Session, evaluation_id: int) -> Iterator[Row[Outcome, bytes]]:
    """(outcome, packed trace) of every test input that has one, by task and test input."""
    query = (
        select(Outcome, OutcomeTrace.packed)
        .join(OutcomeTrace, OutcomeTrace.outcome_id == Outcome.id)
        .where(Outcome.evaluation_id == evaluation_id)
        .order_by(Outcome.task_id, Outcome.test_index)
    )
    return iter(session.execute(query.execution_options(yield_per=32)))


def packed_traces(session: Session, evaluation_id: int) -> dict[int, bytes]:
    """Outcome id -> its packed trace, of every outcome that has one."""
    query = (
        select(OutcomeTrace.outcome_id, OutcomeTrace.packed)
        .join(Outcome, Outcome.id == OutcomeTrace.outcome_id)
        .where(Outcome.evaluation_id == evaluation_id)
    )
    return {outcome_id: packed for outcome_id, packed in session.execute(query)}  # noqa: C416


def outcomes_with_first(session: Session, evaluation_id: int) -> Sequence[Row[Outcome, Prediction | None]]:
    """(outcome, its first attempt if there is one), by task and test input."""
    query = (
        select(Outcome, Prediction)
        .outerjoin(Prediction, (Prediction.outcome_id == Outcome.id) & (Prediction.rank == FIRST_ATTEMPT))
        .where(Outcome.evaluation_id == evaluation_id)
        .order_by(Outcome.task_id, Outcome.test_index)
    )
    return session.execute(query).all()


def measured_alike(session: Session, evaluation: Evaluation) -> Sequence[Evaluation]:
    """Other finished evaluations of the same checkpoint with the same settings; newest first."""
    same = ("run_id", "step", *(field.name for field in fields(Settings)))
    query = select(Evaluation).where(
        *(getattr(Evaluation, name) == getattr(evaluation, name) for name in same),
        Evaluation.id != evaluation.id,
        Evaluation.status == "finished",
    )
    return session.scalars(query.order_by(Evaluation.id.desc())).all()


def scored(session: Session, evaluation_ids: Collection[int]) -> dict[int, int]:
    """Evaluation id -> number of its outcomes."""
    query = select(Outcome.evaluation_id, func.count()).where(Outcome.evaluation_id.in_(evaluation_ids))
    return {each: count for each, count in session.execute(query.group_by(Outcome.evaluation_id))}  # noqa: C416


def status_of(session: Session, evaluation_id: int) -> str:
    return session.scalars(select(Evaluation.status).where(Evaluation.id == evaluation_id)).one()


def step_of(session: Session, evaluation_id: int) -> int:
    return session.scalars(select(Evaluation.step).where(Evaluation.id == evaluation_id)).one()


def truth_ranks(session: Session, evaluation_id: int) -> dict[str, list[int | None]]:
    """Task id -> per test input the truth's rank among the candidates; what no score counts is left out."""
    query = (
        select(Outcome.task_id, Outcome.truth_rank)
        .where(Outcome.evaluation_id == evaluation_id, Outcome.note.not_in(UNCOUNTED))
        .order_by(Outcome.task_id, Outcome.test_index)
    )
    return ranks_by_task((row.task_id, row.truth_rank) for row in session.execute(query))


def of_run(session: Session, run_id: str) -> Sequence[Row[Evaluation, int]]:
    """(evaluation, number of its outcomes so far) of the run, newest first."""
    done = select(func.count()).where(Outcome.evaluation_id == Evaluation.id).scalar_subquery()
    query = select(Evaluation, done).where(Evaluation.run_id == run_id).order_by(Evaluation.id.desc())
    return session.execute(query.execution_options(populate_existing=True)).all()


def page_of_outcomes(
    session: Session,
    run_id: str,
    limit: int,
    after: tuple[int, int] | None = None,
    evaluation_id: int | None = None,
    failure_mode: str | None = None,
    correct: bool | None = None,
) -> Sequence[Row[Outcome, Evaluation, Task | None]]:
    """(outcome, its evaluation, its task if that is still there), newest evaluation first.

    Those of evaluations that are no results are left out unless their evaluation is asked for.
    `after` is (evaluation id, outcome id) of the last one shown. `failure_mode` and `correct` ask for
    outcomes whose first attempt is so.
    """
    first = aliased(Prediction)
    query = (
        select(Outcome, Evaluation, Task)
        .join(Evaluation, Evaluation.id == Outcome.evaluation_id)
        .outerjoin(Task, (Task.set_name == Evaluation.set_name) & (Task.id == Outcome.task_id))
        .where(Evaluation.run_id == run_id)
        .order_by(Evaluation.id.desc(), Outcome.id)
        .limit(limit)
    )
    if after is not None:
        evaluation, outcome = after
        query = query.where(
            (Evaluation.id < evaluation) | ((Evaluation.id == evaluation) & (Outcome.id > outcome))
        )
    query = query.where(Evaluation.is_result if evaluation_id is None else Evaluation.id == evaluation_id)
    if failure_mode is not None or correct is not None:
        query = query.join(first, (first.outcome_id == Outcome.id) & (first.rank == FIRST_ATTEMPT))
    if failure_mode is not None:
        query = query.where(first.failure_mode == failure_mode)
    if correct is not None:
        query = query.where(first.correct == correct)
    return session.execute(query).all()


def kept_progress(session: Session, run_id: str) -> tuple[int, int]:
    """What a restart would not have to do again: (step of the last checkpoint, test inputs scored)."""
    step = session.scalar(select(func.max(Checkpoint.step)).where(Checkpoint.run_id == run_id))
    scored = select(func.count(Outcome.id)).join(Evaluation, Outcome.evaluation_id == Evaluation.id)
    return step or 0, session.scalar(scored.where(Evaluation.run_id == run_id)) or 0
