"""Test inputs and what evaluations made of them, across runs.

Pages are cut by key, along the unique index of outcomes (evaluation, task, test): a page far down costs
what the first one costs.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, TypeVarTuple

from sqlalchemy import ColumnElement, Row, Select, and_, case, func, not_, or_, select, tuple_
from sqlalchemy.orm import Session, aliased, load_only

from backend.data.tables import Task
from backend.domain.records import UNCOUNTED
from backend.runs.tables import Run
from backend.scores.tables import Evaluation, Outcome, OutcomeTrace, Prediction

FIRST_ATTEMPT = 1
# What a source is told by. The rest of both rows is JSON that takes longer to read than the page.
TOLD = (
    load_only(
        Evaluation.run_id,
        Evaluation.set_name,
        Evaluation.step,
        Evaluation.weights,
        Evaluation.views,
        Evaluation.act_steps,
        Evaluation.search,
        Evaluation.canvas,
        Evaluation.distinct_views,
        Evaluation.adaptation,
        Evaluation.intervention,
        Evaluation.status,
        raiseload=True,
    ),
    load_only(Run.name, Run.variant, Run.seed, raiseload=True),
)
Columns = TypeVarTuple("Columns")
Position = tuple[int, str, int]  # evaluation, task, test of the last row shown


@dataclass(frozen=True)
class Wanted:
    """Which outcomes; None and () ask for all. `mode` is of the first attempt, "correct" among them.

    `evaluations` are compared: rows are of the first, `change` is between the first and the second.
    """

    evaluations: tuple[int, ...] = ()
    set_name: str | None = None
    run_ids: tuple[str, ...] = ()
    variant: str | None = None
    task: str = ""  # part of its id
    mode: str | None = None
    sides: tuple[int, int] | None = None  # longest side of any grid of the task, from and to
    change: str | None = None  # a_only, b_only, both, neither, differ
    attempts: int = 1  # within which a test input counts as solved


def rows(
    session: Session, wanted: Wanted, limit: int, after: Position | None = None
) -> Sequence[Row[Outcome, Evaluation, Run, Task | None]]:
    """Newest evaluation first, then by task and test input."""
    query = _narrowed(
        select(Outcome, Evaluation, Run, Task)
        .join(Evaluation, Evaluation.id == Outcome.evaluation_id)
        .join(Run, Run.id == Evaluation.run_id)
        .outerjoin(Task, (Task.set_name == Evaluation.set_name) & (Task.id == Outcome.task_id)),
        wanted,
        wanted.mode,
    )
    if after is not None:
        evaluation, task, test = after
        behind = tuple_(Outcome.task_id, Outcome.test_index) > (task, test)
        same = and_(Outcome.evaluation_id == evaluation, behind)
        query = query.where(or_(Outcome.evaluation_id < evaluation, same))
    order = (Outcome.evaluation_id.desc(), Outcome.task_id, Outcome.test_index)
    return session.execute(query.order_by(*order).limit(limit).options(*TOLD)).all()


def modes(session: Session, wanted: Wanted) -> Sequence[Row[bool | None, str | None, int]]:
    """(correct, failure mode, number) of the first attempts, whatever mode is wanted; no attempt: None."""
    first = aliased(Prediction)
    query = (
        select(first.correct, first.failure_mode, func.count())
        .select_from(Outcome)
        .join(Evaluation, Evaluation.id == Outcome.evaluation_id)
        .outerjoin(first, (first.outcome_id == Outcome.id) & (first.rank == FIRST_ATTEMPT))
    )
    if wanted.run_ids or wanted.variant:
        query = query.join(Run, Run.id == Evaluation.run_id)
    if wanted.sides:
        query = query.join(Task, (Task.set_name == Evaluation.set_name) & (Task.id == Outcome.task_id))
    query = _narrowed(query, wanted, None).group_by(first.correct, first.failure_mode)
    return session.execute(query).all()


def outcomes_at(
    session: Session, evaluation_ids: Collection[int], task_ids: Collection[str]
) -> Sequence[Outcome]:
    """What these evaluations made of these tasks."""
    query = select(Outcome).where(Outcome.evaluation_id.in_(evaluation_ids), Outcome.task_id.in_(task_ids))
    return session.scalars(query).all()


def of_task(
    session: Session, set_name: str, task_id: str, test_index: int, limit: int
) -> Sequence[Row[Outcome, Evaluation, Run]]:
    """What every evaluation made of a test input, newest first."""
    query = (
        select(Outcome, Evaluation, Run)
        .join(Evaluation, Evaluation.id == Outcome.evaluation_id)
        .join(Run, Run.id == Evaluation.run_id)
        .where(Outcome.task_id == task_id, Outcome.test_index == test_index, Evaluation.set_name == set_name)
        .where(Evaluation.is_result)
    )
    return session.execute(query.order_by(Evaluation.id.desc()).limit(limit).options(*TOLD)).all()


def solved_by_task(
    session: Session, set_name: str, task_ids: Collection[str]
) -> Sequence[Row[str, int, int]]:
    """(task, test inputs solved at the first attempt, test inputs asked) over all evaluations."""
    solved = func.sum(case((Outcome.truth_rank == 1, 1), else_=0))
    query = (
        select(Outcome.task_id, solved, func.count())
        .join(Evaluation, Evaluation.id == Outcome.evaluation_id)
        .where(Evaluation.set_name == set_name, Outcome.task_id.in_(task_ids), Evaluation.is_result)
        .group_by(Outcome.task_id)
    )
    return session.execute(query).all()


@dataclass(frozen=True)
class Judged:
    """An outcome whose truth is known, in short. `votes` are those for the truth, where it was kept."""

    id: int
    evaluation_id: int
    task_id: str
    test_index: int
    views: int
    rank: int | None
    votes: int | None


def judged(session: Session, evaluation_ids: Collection[int]) -> list[Judged]:
    """Every judged outcome of these evaluations, by task and test input."""
    right = aliased(Prediction)
    query = (
        select(
            Outcome.id,
            Outcome.evaluation_id,
            Outcome.task_id,
            Outcome.test_index,
            Outcome.views,
            Outcome.truth_rank,
            right.votes,
        )
        .outerjoin(right, (right.outcome_id == Outcome.id) & (right.rank == Outcome.truth_rank))
        .where(Outcome.evaluation_id.in_(evaluation_ids), Outcome.note.not_in(UNCOUNTED))
        .order_by(Outcome.task_id, Outcome.test_index, Outcome.evaluation_id)
    )
    return [Judged(*row) for row in session.execute(query)]


def packed(session: Session, outcome_ids: Collection[int]) -> dict[int, bytes]:
    """Outcome id -> its packed trace, of those that have one."""
    if not outcome_ids:
        return {}
    query = select(OutcomeTrace).where(OutcomeTrace.outcome_id.in_(outcome_ids))
    return {each.outcome_id: each.packed for each in session.scalars(query)}


def with_runs(
    session: Session,
    evaluation_ids: Collection[int] | None = None,
    set_name: str | None = None,
    run_id: str | None = None,
    finished: bool = False,
    limit: int = 200,
) -> Sequence[Row[Evaluation, Run]]:
    """Evaluations with their runs, newest first."""
    query = select(Evaluation, Run).join(Run, Run.id == Evaluation.run_id)
    query = query.where(Evaluation.is_result if evaluation_ids is None else Evaluation.id.in_(evaluation_ids))
    if set_name:
        query = query.where(Evaluation.set_name == set_name)
    if run_id:
        query = query.where(Evaluation.run_id == run_id)
    if finished:
        query = query.where(Evaluation.status == "finished")
    return session.execute(query.order_by(Evaluation.id.desc()).limit(limit).options(*TOLD)).all()


def newest_by_variant(session: Session, set_name: str) -> Sequence[Row[str, int]]:
    """(variant, id of its newest finished evaluation on the set), by variant."""
    query = (
        select(Run.variant, func.max(Evaluation.id))
        .join(Run, Run.id == Evaluation.run_id)
        .where(Evaluation.set_name == set_name, Evaluation.status == "finished", Evaluation.is_result)
        .group_by(Run.variant)
        .order_by(Run.variant)
    )
    return session.execute(query).all()


def evaluated_sets(session: Session) -> list[str]:
    """Sets that any evaluation asked, by name."""
    return list(session.scalars(select(Evaluation.set_name).distinct().order_by(Evaluation.set_name)))


def evaluated_variants(session: Session) -> list[str]:
    """Variants of the runs that were evaluated, by name."""
    query = select(Run.variant).join(Evaluation, Evaluation.run_id == Run.id).distinct()
    return list(session.scalars(query.order_by(Run.variant)))


def _narrowed(query: Select[*Columns], wanted: Wanted, mode: str | None) -> Select[*Columns]:
    """The query, its joins made, with every condition but where to continue."""
    if wanted.evaluations:
        query = query.where(Outcome.evaluation_id == wanted.evaluations[0])
    else:
        query = query.where(Evaluation.is_result)
    if wanted.set_name:
        query = query.where(Evaluation.set_name == wanted.set_name)
    if wanted.run_ids:
        query = query.where(Run.id.in_(wanted.run_ids))
    if wanted.variant:
        query = query.where(Run.variant == wanted.variant)
    if wanted.task:
        query = query.where(Outcome.task_id.icontains(wanted.task, autoescape=True))
    if wanted.sides:
        query = query.where(Task.side.between(*wanted.sides))
    if mode is not None:
        first = aliased(Prediction)
        query = query.join(first, (first.outcome_id == Outcome.id) & (first.rank == FIRST_ATTEMPT))
        query = query.where(first.correct if mode == "correct" else first.failure_mode == mode)
    if wanted.change and len(wanted.evaluations) > 1:
        query = _changed(query, wanted)
    return query


def _changed(query: Select[*Columns], wanted: Wanted) -> Select[*Columns]:
    """Only test inputs that both evaluations asked and that differ, or agree, as wanted."""
    other = aliased(Outcome)
    query = query.join(
        other,
        and_(
            other.evaluation_id == wanted.evaluations[1],
            other.task_id == Outcome.task_id,
            other.test_index == Outcome.test_index,
        ),
    )
    a, b = (_solved(each.truth_rank, wanted.attempts) for each in (Outcome, other))
    condition = {
        "a_only": and_(a, not_(b)),
        "b_only": and_(not_(a), b),
        "both": and_(a, b),
        "neither": and_(not_(a), not_(b)),
        "differ": or_(and_(a, not_(b)), and_(not_(a), b)),
    }
    return query.where(condition[wanted.change or ""])


def _solved(truth_rank: Any, attempts: int) -> ColumnElement[bool]:
    """Never null, so that it can be negated."""
    return and_(truth_rank.is_not(None), truth_rank <= attempts)
