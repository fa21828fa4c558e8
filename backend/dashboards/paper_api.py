"""/api/v1/dashboards/{slug}, /api/v1/compare: figures and tables for a paper, one by one or in an archive."""

from __future__ import annotations

from functools import partial
from typing import Annotated, cast, get_args

from fastapi import Query
from fastapi.responses import Response

from backend.charts.view import View
from backend.comparison import service as compare
from backend.comparison.board import By
from backend.dashboards import service as dashboards
from backend.dashboards.paper import panel_figure_file, panel_table_file, paper
from backend.db.session import reading_scope
from backend.domain.dashboards import of_comparison
from backend.kit.exports.table_files import check
from backend.web.deps import Database, FigureFormat, FigureWidth, InParts, attached
from backend.web.errors import responses
from backend.web.routing import VIEWER, Router

router = Router(reads=VIEWER, tags=["dashboards"])

Typeset = Annotated[str, Query(max_length=40, description="latex (booktabs, tabularx), typst or markdown.")]


@router.get(
    "/dashboards/{slug}/panels/{panel_id}/figure",
    response_class=Response,
    responses=responses(401, 404, 422, 503),
)
def panel_figure(
    slug: str,
    panel_id: str,
    engine: Database,
    view: View,
    format: FigureFormat = "pdf",
    width: FigureWidth = "3.5",
) -> Response:
    """A panel of curves, bars or grids as a figure for a paper. Needs the extra `paper`."""
    opened = partial(dashboards.get, slug=slug)
    return attached(panel_figure_file(engine, opened, panel_id, view, width, format))


@router.get(
    "/dashboards/{slug}/panels/{panel_id}/table",
    response_class=Response,
    responses=responses(401, 404, 422),
)
def panel_table(slug: str, panel_id: str, engine: Database, format: Typeset = "latex") -> Response:
    """A panel with a table, typeset for a paper."""
    return attached(panel_table_file(engine, partial(dashboards.get, slug=slug), panel_id, format))


@router.get("/dashboards/{slug}/paper", response_class=Response, responses=responses(401, 404, 503))
def dashboard_paper(slug: str, engine: Database, view: View) -> InParts:
    """A zip: every figure as PDF and SVG, 3.5 and 7 inches wide, its data, what draws it again, and tables.

    Needs the extra `paper`.
    """
    with reading_scope(engine) as session:
        dashboard = dashboards.get(session, slug)
    return InParts(paper(engine, dashboard.name, dashboard.content, view))


@router.get("/compare/paper", response_class=Response, responses=responses(401, 404, 422, 503))
def comparison_paper(
    engine: Database,
    view: View,
    runs: Annotated[str, Query(description="Comma-separated run ids.")],
    by: Annotated[
        str, Query(max_length=40, description="A line per run, or over its seeds: run or seed.")
    ] = "run",
) -> InParts:
    """The same of a comparison: what a dashboard of these runs holds. Needs the extra `paper`."""
    check("by", by, get_args(By))
    with reading_scope(engine) as session:
        compared = compare.chosen(session, runs.split(","))
    metrics = {metric for run in compared for metric in run.metrics}
    content = of_comparison([run.id for run in compared], cast(By, by), metrics)
    return InParts(paper(engine, f"Comparison of {len(compared)} runs", content, view))
