"""/api/v1/explore: values of a set of runs, and which fields go with a result."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Query
from pydantic import Field

from backend.db.session import reading_scope
from backend.explore import service as explore
from backend.explore.importance import RESAMPLES, SHUFFLINGS
from backend.kit.filters.tree import Value
from backend.kit.format import sayable
from backend.kit.model import Model
from backend.web.deps import Database
from backend.web.errors import responses
from backend.web.routing import VIEWER, Router

router = Router(reads=VIEWER, prefix="/explore", tags=["explore"])

Filter = Annotated[
    str, Query(description="As in the table of runs; empty: all runs.", examples=['group == "w7c2m4k1zz"'])
]
Ids = Annotated[
    str,
    Query(
        description="Instead of a filter: ids, separated by commas.", examples=["k3v9q2m7xa"], max_length=4000
    ),
]
Plain = str | int | float | bool | None


class ExploredRun(Model):
    """A run with what it has under each name that was asked for."""

    id: str
    name: str
    variant: str
    seed: int | None
    status: str
    configuration: str = Field(description="The same for runs that differ in their seed alone.")
    values: dict[str, Plain | list[Plain]] = Field(
        description='Name or expression -> value; null where the run has none, "NaN" where it is no number.'
    )


class VaryingField(Model):
    """A field that not all configurations of the runs have the same value of."""

    path: str = Field(examples=["optimisation.learning_rate"])
    kind: Literal["ordered", "choice"]
    levels: int = Field(description="How many different values there are.")


class ExploreView(Model):
    """The newest runs that match."""

    runs: list[ExploredRun]
    matching: int = Field(description="Runs that match in all.")
    fields: list[VaryingField]
    undefined: dict[str, int] = Field(
        description="Expression -> runs in which it divides by zero or takes the logarithm of zero or less."
    )
    notes: list[str] = Field(description="Names that no run has a value of; scores that are not comparable.")


class ImportanceView(Model):
    """How strongly a field goes with the result, over configurations, each with the mean over its seeds."""

    path: str
    kind: Literal["ordered", "choice"] = Field(
        description="ordered: Spearman's rank correlation. choice: eta squared of the ranks."
    )
    levels: int
    configurations: int = Field(description="That have the field and the result.")
    effect: float | None = Field(description="The correlation, -1 to 1, or eta squared, 0 to 1.")
    low: float | None = Field(
        description=f"Of its 95 % interval: {RESAMPLES:,} resamples of the configurations."
    )
    high: float | None
    share: float | None = Field(description="Of the variance of the ranks that goes with the field, 0 to 1.")
    by_chance: float | None = Field(description="The average of that share where there is no relation.")
    p_adjusted: float | None = Field(
        description=f"From {SHUFFLINGS:,} shufflings, adjusted for the number of fields (Holm)."
    )
    decided: bool = Field(description="Whether p_adjusted is below 0.05.")
    together_with: list[str] = Field(description="Fields that cannot be told apart from it in these runs.")
    reason: str = Field(description="Why there is no number; else empty.")


class ImportancesView(Model):
    """The fields that vary, the strongest first. Association, which need not be a cause."""

    of: str
    runs: int = Field(description="That have the result.")
    configurations: int
    without: int = Field(description="Runs that have no finite number as their result.")
    fields: list[ImportanceView]
    left_out: int = Field(description="Fields that were not looked at, because there are too many.")


@router.get("", responses=responses(401, 422))
def explore_runs(
    engine: Database,
    filter: Filter = "",
    runs: Ids = "",
    value: Annotated[
        list[str],
        Query(
            max_length=24,
            description="Names of the filter language, or expressions over them. Repeatable.",
            examples=[["training.steps", "accuracy/exact:max", "log(loss)"]],
        ),
    ] = [],  # noqa: B006  FastAPI copies it
) -> ExploreView:
    """Runs that match a filter with values of each, and the fields of their configs that vary."""
    with reading_scope(engine) as session:
        found = explore.explore(session, explore.runs_of(filter, runs), value)
        fields = explore.fields_of(session, found.points)
    return ExploreView(
        runs=[
            ExploredRun(
                id=point.id,
                name=point.name,
                variant=point.variant,
                seed=point.seed,
                status=point.status,
                configuration=point.configuration,
                values={name: _said(point.values[name]) for name in value},
            )
            for point in found.points
        ],
        matching=found.matching,
        fields=[VaryingField(path=each.path, kind=each.kind, levels=each.levels) for each in fields],
        undefined=dict(found.undefined),
        notes=list(found.notes),
    )


@router.get("/importance", responses=responses(401, 422))
def importance_of_fields(
    engine: Database,
    of: Annotated[
        str, Query(description="A name of the filter language, or an expression.", examples=["pass1"])
    ],
    filter: Filter = "",
    runs: Ids = "",
) -> ImportancesView:
    """Which fields of the configs go with a result of the runs that match a filter."""
    with reading_scope(engine) as session:
        question = explore.importance(session, explore.runs_of(filter, runs), of)
    return ImportancesView(
        of=of,
        runs=question.runs,
        configurations=question.configurations,
        without=question.without,
        left_out=question.left_out,
        fields=[
            ImportanceView(
                path=each.path,
                kind=each.kind,
                levels=each.levels,
                configurations=each.configurations,
                effect=each.effect,
                low=each.low,
                high=each.high,
                share=each.share,
                by_chance=each.by_chance,
                p_adjusted=each.p_adjusted,
                decided=each.is_decided,
                together_with=list(each.together_with),
                reason=each.reason,
            )
            for each in question.fields
        ],
    )


def _said(value: Value) -> Plain | list[Plain]:
    if isinstance(value, tuple):
        return list(value)
    return sayable(value) if isinstance(value, float) else value
