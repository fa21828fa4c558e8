"""/api/v1/runs/{id}/figure: a chart of a run as a figure for a paper."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from fastapi.responses import Response

from backend.charts.figures import run_lines
from backend.charts.lines import clock_of
from backend.charts.panels import arranged, expressions_of, of_texts
from backend.charts.paper import curves_figure
from backend.charts.view import Expressions, View, curves_of
from backend.data import service as datasets
from backend.db.session import reading_scope
from backend.kit.exports.figures import figure_file, file_stem
from backend.kit.problems import unknown
from backend.lifecycle import service as runs
from backend.metrics import service as series
from backend.web.deps import Database, FigureFormat, FigureWidth, RunId, attached
from backend.web.errors import responses
from backend.web.routing import EDITOR, VIEWER, Router

router = Router(reads=VIEWER, writes=EDITOR, prefix="/runs/{run_id}", tags=["series"])


@router.get("/figure", response_class=Response, responses=responses(401, 404, 422, 503))
def figure_of_run(
    run_id: RunId,
    engine: Database,
    view: View,
    panel: Annotated[str, Query(max_length=400, description="Id of a chart of its page.", examples=["loss"])],
    format: FigureFormat = "pdf",
    width: FigureWidth = "3.5",
    expr: Expressions = None,
) -> Response:
    """A chart of the run's page as a figure for a paper. Needs the extra `paper`."""
    with reading_scope(engine) as session:
        run = runs.get(session, run_id)
        names = series.names(session, run_id)
        charts = {each.id: each for each in arranged(names)}
        charts |= {each.id: each for each in of_texts(expr or (), names, f"Run {run_id} has no metric")[0]}
        if panel not in charts:
            raise unknown("chart", panel, list(charts))
        chart = charts[panel]
        clock = clock_of(run, {each.name: each.tasks for each in datasets.available(session)})
        parsed = expressions_of([chart])
        curves = curves_of(session, chart.metrics, {run_id: clock}, view, parsed)[run_id]
    lines = run_lines(chart, curves, run.variant, clock, run_id)
    places = {line.key: place for place, line in enumerate(lines)}
    figure = curves_figure(f"{run_id}-{file_stem(chart.id)}", chart, lines, view.window(chart), places)
    return attached(figure_file(figure, width, format))
