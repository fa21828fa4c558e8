"""The scores of an evaluation by kind of task: size, colours, demonstrations, whether the size changes."""

from __future__ import annotations

from pydantic import Field
from sqlalchemy.orm import Session

from backend.data import queries as tasks
from backend.domain.arc.strata import GONE, MEANINGS, STRATA, strata_of
from backend.domain.statistics import Ranks
from backend.kit.errors import NotFound
from backend.kit.model import Model
from backend.scores import queries as rows
from backend.scores.measured import PassView, passes_of
from backend.scores.oracle import OracleView, oracle_of


class StratumView(Model):
    """The tasks of one stratum."""

    name: str = Field(examples=["11 to 15"])
    n: int = Field(description="Tasks evaluated whose truth is known.")
    passes: list[PassView] = Field(
        description="pass@k at 1, 2, 5 and 10 attempts, with 95 % Wilson intervals."
    )
    oracle: OracleView | None = Field(description="What all their candidates hold.")


class DimensionView(Model):
    """One way to sort tasks; every task is in exactly one stratum."""

    name: str = Field(examples=["longest side"])
    about: str
    strata: list[StratumView] = Field(description="Those that have tasks, in the order of their values.")


class StrataView(Model):
    """An evaluation by kind of task. Only what a solver may see decides, never a test output."""

    evaluation: int
    set: str
    n: int = Field(description="Tasks evaluated whose truth is known: the sum over each dimension's strata.")
    dimensions: list[DimensionView]


def strata(session: Session, evaluation_id: int) -> StrataView:
    """Every dimension of an evaluation, of the tasks scored so far; NotFound."""
    evaluation = rows.get(session, evaluation_id)
    if evaluation is None:
        raise NotFound(f"Evaluation {evaluation_id} not found.")
    ranks = rows.truth_ranks(session, evaluation_id)
    of_set = tasks.tasks_of(session, evaluation.set_name, pools=False)
    known = {task.id: task for task in of_set if task.id in ranks}
    sorted_ = {task_id: strata_of(known.get(task_id)) for task_id in ranks}
    return StrataView(
        evaluation=evaluation_id,
        set=evaluation.set_name,
        n=len(ranks),
        dimensions=[
            DimensionView(
                name=dimension,
                about=MEANINGS[dimension],
                strata=[
                    _stratum(name, of_stratum, evaluation.views)
                    for name in (*names, GONE)
                    if (of_stratum := {t: ranks[t] for t in ranks if sorted_[t][dimension] == name})
                ],
            )
            for dimension, names in STRATA.items()
        ],
    )


def _stratum(name: str, ranks: Ranks, views: int) -> StratumView:
    return StratumView(
        name=name,
        n=len(ranks),
        passes=passes_of(ranks),
        oracle=oracle_of(ranks, views),
    )
