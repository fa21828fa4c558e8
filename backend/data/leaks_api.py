"""/api/v1/leaks: does one task set give another away?"""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from pydantic import ConfigDict, Field

from backend.data import leaks
from backend.db.session import reading_scope
from backend.kit.model import Model
from backend.web.deps import Database
from backend.web.errors import responses
from backend.web.routing import VIEWER, Router

router = Router(reads=VIEWER, tags=["sets"])


class LeakView(Model):
    """A training task that gives away an evaluated one."""

    training_task: str
    evaluated_task: str
    what: str = Field(examples=["test 1", "demonstration 2", "the id", "the rule"])


class RulesView(Model):
    """Two generated sets by the rules that their tasks follow."""

    model_config = ConfigDict(from_attributes=True)

    training: int = Field(description="Different rules in it.")
    evaluated: int
    shared: list[str] = Field(description="Rules in both.", examples=[["recolour-14-41-52"]])
    augmented: int = Field(
        description="Evaluated rules in the training set or in an augmentation (colours permuted, turned or "
        "flipped) of it: what a run with data.augmentations above 0 would meet."
    )


class LeakReportView(Model):
    """What training on one set would tell of another."""

    training_set: str
    evaluated_set: str
    training_tasks: int
    evaluated_tasks: int
    tasks: int = Field(description="Evaluated tasks that leak.")
    leaks: list[LeakView]
    rules: RulesView | None = Field(
        description="What two generated sets were compared by; null where pairs and ids were."
    )


@router.get("/leaks", responses=responses(401, 404, 422))
def check_leaks(
    engine: Database,
    training: Annotated[str, Query(description="Name of a set.", examples=["arc-agi-2/training"])],
    evaluated: Annotated[str, Query(description="Name of a set.", examples=["arc-agi-1/evaluation"])],
) -> LeakReportView:
    """Find every pair of the evaluated set that training holds in any augmentation, and shared ids; of two
    generated sets, shared rules."""
    with reading_scope(engine) as session:
        report = leaks.check(session, training, evaluated)
    return LeakReportView(
        training_set=report.training_set,
        evaluated_set=report.evaluated_set,
        training_tasks=report.training_tasks,
        evaluated_tasks=report.evaluated_tasks,
        tasks=report.tasks,
        leaks=[
            LeakView(training_task=each.training_task, evaluated_task=each.evaluated_task, what=each.what)
            for each in report.leaks
        ],
        rules=RulesView.model_validate(report.rules) if report.rules else None,
    )
