"""/api/v1/compare: several runs side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, cast, get_args

from fastapi import Query
from fastapi.responses import Response, StreamingResponse
from pydantic import Field
from sqlalchemy.orm import Session

from backend.charts.view import Expressions, View
from backend.comparison import replicates
from backend.comparison import service as compare
from backend.comparison.board import Board, By
from backend.comparison.curves_csv import curves_csv
from backend.comparison.paper_tables import What, paper_table
from backend.comparison.replicates import VariationPair
from backend.db.session import reading_scope
from backend.domain.dashboards import At
from backend.domain.published import CAVEATS, PUBLISHED, PublishedResult
from backend.kit.exports.figures import figure_file, file_stem
from backend.kit.exports.table_files import File, check
from backend.kit.exports.typeset import ENDINGS, MEDIA_TYPES, Typesetting, typeset
from backend.kit.fast_json import dumped
from backend.kit.lists import items_of
from backend.kit.model import Model
from backend.lifecycle import service as lifecycle
from backend.metrics import expressions
from backend.metrics.frames import MAX_STEP
from backend.metrics.thinning import MIN_POINTS
from backend.run_page.series_api import CurveView, Names, shipped
from backend.run_view.views import RunView
from backend.scores.paired import ComparisonView
from backend.web.deps import Database, FigureFormat, FigureWidth, attached
from backend.web.errors import responses
from backend.web.routing import VIEWER, Router

router = Router(reads=VIEWER, prefix="/compare", tags=["compare"])

Runs = Annotated[
    str,
    Query(description="Run ids, separated by commas.", examples=["k3v9q2m7xa,w7c2m4k1zz"], max_length=4000),
]


Group = Annotated[
    str,
    Query(description="Id or name of a group, whose runs are compared; instead of `runs`.", max_length=200),
]


class VariationView(Model):
    """Runs that differ in their seed alone."""

    label: str = Field(examples=["deterministic · width 128"])
    variant: str
    runs: list[str] = Field(description="Ids of the runs, one of each seed.")
    repeated: list[str] = Field([], description="Ids of further runs of the same seeds: they do not count.")


class TaskView(Model):
    """One task; the share of its test inputs that each run solves, null where it was not evaluated."""

    task: str
    scores: dict[str, float | None]


class PairView(Model):
    """A run beside the baseline on the same tasks."""

    run: str
    comparison: ComparisonView | None
    reason: str = Field(description="Why there is no comparison; else empty.")


class PublishedView(Model):
    """A published result, as printed; never measured here."""

    model: str
    variant: str
    parameters: str
    steps: int | None
    pass_at: dict[int, str]
    train_accuracy: float | None = Field(description="Percent of labelled tokens.")
    cross_sample_variance: float | None
    caveats: list[str]


class CompareView(Model):
    """Runs side by side: their results stand in `runs`, their curves come from `/compare/series`."""

    runs: list[RunView]
    base: str
    k: int
    variations: list[VariationView]
    differing: dict[str, dict[str, Any]] = Field(description="Path of the config -> run -> value.")
    tasks: list[TaskView]
    not_comparable: dict[str, str] = Field(
        description="Run -> how the protocol of its result in `tasks` differs from that of the first run."
    )
    significance: list[PairView]
    over_seeds: list[VariationPair] = Field(
        description="Every other configuration vs the baseline's, over seeds, on the same tasks."
    )
    published: list[PublishedView]


@router.get("", responses=responses(401, 404, 422))
def compare_runs(
    engine: Database,
    runs: Runs = "",
    base: Annotated[str, Query(description="Id of the baseline; left out: the first run.")] = "",
    k: Annotated[int, Query(ge=1, le=100, description="The k of pass@k.")] = 1,
    group: Group = "",
) -> CompareView:
    """Compare runs: results, how their configs differ, who solves what, what differs significantly."""
    with reading_scope(engine) as session:
        found = compare.asked(session, runs.split(","), group)
        baseline = compare.baseline(found, base)
        matrix = compare.matrix(session, found, k)
        return CompareView(
            runs=found,
            base=baseline,
            k=k,
            variations=[
                VariationView(
                    label=each.label,
                    variant=each.variant,
                    runs=[run.id for run in each.runs],
                    repeated=[run.id for run in each.repeated],
                )
                for each in compare.variations(found)
            ],
            differing={row.path: dict(row.values) for row in compare.differing(found)},
            tasks=[TaskView(task=row.task_id, scores=dict(row.scores)) for row in matrix.tasks],
            not_comparable=dict(matrix.notes),
            significance=[
                PairView(run=pair.run_id, comparison=pair.view, reason=pair.reason)
                for pair in compare.pairs(session, found, baseline, k)
            ],
            over_seeds=_over_seeds(session, found, baseline, k),
            published=[_published(row) for row in PUBLISHED],
        )


def _over_seeds(session: Session, found: Sequence[RunView], baseline: str, k: int) -> list[VariationPair]:
    variations = compare.variations(found)
    base = compare.variation_of(variations, baseline).key
    return replicates.pairs(replicates.replicates(session, variations, k), base)


def _published(row: PublishedResult) -> PublishedView:
    return PublishedView(
        model=row.model,
        variant=row.variant,
        parameters=row.parameters,
        steps=row.steps,
        pass_at=row.pass_at,
        train_accuracy=row.train_accuracy,
        cross_sample_variance=row.cross_sample_variance,
        caveats=[CAVEATS[name] for name in row.caveats],
    )


class SeriesOfRuns(Model):
    """Curves by run and metric; a run without a metric leaves it out."""

    series: dict[str, dict[str, CurveView]]


Named = Annotated[str, Query(max_length=40)]
CHOICES = {"what": What, "by": By, "at": At, "format": Typesetting}


@router.get("/table", response_class=Response, responses=responses(401, 404, 422))
def typeset_table(
    engine: Database,
    runs: Runs = "",
    what: Annotated[Named, Query(description="results or significance.")] = "results",
    by: Annotated[Named, Query(description="A line per run, or over its seeds: run or seed.")] = "run",
    base: Annotated[str, Query(description="Id of the baseline; left out: the first run.")] = "",
    k: Annotated[int, Query(ge=1, le=100, description="The k of pass@k, for significance.")] = 1,
    at: Annotated[Named, Query(description="Checkpoints of the results: newest, common or all.")] = "newest",
    published: Annotated[bool, Query(description="With the published results below.")] = False,
    format: Annotated[Named, Query(description="latex (booktabs, tabularx), typst or markdown.")] = "latex",
    group: Group = "",
) -> Response:
    """A table of the comparison for a paper: k/n, interval, and the conditions as notes beneath it."""
    for (field, known), value in zip(CHOICES.items(), (what, by, at, format), strict=True):
        check(field, value, get_args(known))
    with reading_scope(engine) as session:
        board = Board(session, compare.asked(session, runs.split(","), group), cast(By, by))
        line = compare.baseline(board.runs, base)
        key = compare.variation_of(board.variations, line).key if by == "seed" else line
        table = paper_table(session, board, cast(What, what), key, k, cast(At, at), published)
    source = typeset(table, cast(Typesetting, format))
    return attached(File(f"{what}.{ENDINGS[format]}", MEDIA_TYPES[format], source.encode()))


@router.get("/figure", response_class=Response, responses=responses(401, 404, 422, 503))
def figure_of_runs(
    engine: Database,
    view: View,
    runs: Runs,
    metric: Annotated[str, Query(max_length=200, description="What the curves are of.", examples=["loss"])],
    by: Annotated[Named, Query(description="A line per run, or over its seeds: run or seed.")] = "run",
    hide: Annotated[str, Query(max_length=4000, description="Comma-separated keys of lines left out.")] = "",
    format: FigureFormat = "pdf",
    width: FigureWidth = "3.5",
    expr: Expressions = None,
) -> Response:
    """A metric of the runs as a figure for a paper. Needs the extra `paper`."""
    check("by", by, get_args(By))
    with reading_scope(engine) as session:
        board = Board(session, compare.chosen(session, runs.split(",")), cast(By, by), expr or ())
        hidden = frozenset(filter(None, hide.split(",")))
        figure = board.paper_figure(file_stem(metric), board.panel(metric), view, hidden)
    return attached(figure_file(figure, width, format))


@router.get("/series", response_model=SeriesOfRuns, responses=responses(401, 404, 422))
def read_series_of_runs(
    engine: Database,
    runs: Runs,
    names: Names = "",
    max_points: Annotated[
        int, Query(ge=MIN_POINTS, le=100_000, description="Maximum number of points per curve.")
    ] = 1000,
    first: Annotated[int | None, Query(alias="from", ge=0, le=MAX_STEP, description="First step.")] = None,
    last: Annotated[
        int | None, Query(alias="to", ge=0, le=MAX_STEP, description="Last step, inclusive.")
    ] = None,
) -> Response:
    """Curves of several runs, each thinned to `max_points` so that every extreme survives."""
    ids = compare.checked_ids(runs.split(","))
    asked = items_of(names) or None
    with reading_scope(engine) as session:
        names_asked, parsed = compare.sorted_out(session, ids, asked)
        found = compare.curves(session, ids, names_asked, max_points, first, last)
        of_expressions = expressions.of_runs(session, ids, parsed, max_points, first, last)
    body = {
        run_id: {name: shipped(curve) for name, curve in {**by_name, **of_expressions[run_id]}.items()}
        for run_id, by_name in found.items()
    }
    return Response(dumped({"series": body}), media_type="application/json")


@router.get("/series/export", response_class=Response, responses=responses(401, 404, 422))
def export_series_of_runs(
    engine: Database,
    runs: Runs,
    names: Annotated[
        str,
        Query(
            description="Metrics and expressions, comma-separated; each may stand in double quotes.",
            examples=["loss", "train - heldout"],
        ),
    ],
) -> StreamingResponse:
    """A CSV file with every recorded point: a line for each run and step, a column for each metric or
    expression.

    Nothing is thinned. An empty cell has no point; `NaN`, `Infinity` and `-Infinity` are values.
    """
    ids = compare.checked_ids(runs.split(","))
    with reading_scope(engine) as session:
        lifecycle.check_exists(session, *ids)
        columns = items_of(names)
        _, parsed = compare.sorted_out(session, ids, columns)
    return StreamingResponse(curves_csv(engine, ids, columns, parsed), media_type="text/csv")
