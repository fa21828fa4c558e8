"""`/compare?runs=…`: any set of runs side by side."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import HTMLResponse, Response

from backend.api.deps import Database
from backend.db.session import reading_scope
from backend.domain.config_messages import shown
from backend.domain.published import CAVEATS, PUBLISHED
from backend.pages.chart_view import PanelIds, View
from backend.pages.compare_board import Board, By, mark_of
from backend.pages.compare_charts import styles_of
from backend.pages.compare_tables import ConfigRow, encoder_table, result_rows, variation_rows
from backend.pages.contexts.compare import CompareChoice, ComparePage, CompareSignificance, CompareTasks
from backend.pages.kept_charts import as_json
from backend.pages.rendering import render
from backend.services import compare, runs

router = APIRouter(include_in_schema=False)

CHOICE = 100  # runs to choose from


class Question:
    """What is compared, as the address says it."""

    def __init__(
        self,
        runs: Annotated[list[str] | None, Query()] = None,
        by: By = "run",
        base: str = "",
        k: Annotated[int, Query(ge=1, le=100)] = 1,
        hide: Annotated[str, Query(max_length=4000)] = "",
    ) -> None:
        self.ids = [each for given in runs or [] for each in given.split(",") if each]
        self.by: By = by
        self.base, self.k = base, k
        self.hidden = frozenset(filter(None, hide.split(",")))


Asked = Annotated[Question, Depends()]


@router.get("/compare")
def compare_page(engine: Database, asked: Asked, view: View) -> HTMLResponse:
    """Curves, encoder health, results and configs of the runs; without runs, a list to choose from."""
    with reading_scope(engine) as session:
        if not asked.ids:
            page = runs.find(session, limit=CHOICE, metrics=())
            return render(CompareChoice(page.runs))
        found = compare.chosen(session, asked.ids)
        board = Board(session, found, asked.by)
        grouped = asked.by == "seed"
        context = ComparePage(
            runs=found,
            by=asked.by,
            base=compare.baseline(found, asked.base),
            k=asked.k,
            view=view,
            panels=board.panels,
            drawn=board.first_paint(view),
            legend=board.legend(asked.hidden),
            variations=board.variations,
            styles={key: mark_of(style) for key, style in styles_of(found).items()},
            labels={key: style.label for key, style in styles_of(found).items()},
            encoder=encoder_table(found),
            results=variation_rows(board.variations) if grouped else result_rows(found),
            published=PUBLISHED,
            caveats=CAVEATS,
            config=[
                ConfigRow(row.path, {run: shown(value) for run, value in row.values.items()})
                for row in compare.differing(found)
            ],
        )
    return render(context)


@router.get("/compare/figures")
def figures(panel_ids: PanelIds, engine: Database, asked: Asked, view: View) -> Response:
    """Metrics of all runs as Plotly figures."""
    with reading_scope(engine) as session:
        board = Board(session, compare.chosen(session, asked.ids), asked.by)
        made = board.charts([board.panel(metric) for metric in panel_ids], view)
    return Response(as_json(made), media_type="application/json")


@router.get("/compare/tasks")
def tasks(engine: Database, asked: Asked) -> HTMLResponse:
    """Which run solves which task."""
    with reading_scope(engine) as session:
        found = compare.chosen(session, asked.ids)
        made = compare.matrix(session, found, asked.k)
        labels = styles_of(found)
    context = CompareTasks(
        runs=found,
        labels={key: style.label for key, style in labels.items()},
        styles={key: mark_of(style) for key, style in labels.items()},
        matrix=made,
    )
    return render(context)


@router.get("/compare/significance")
def significance(engine: Database, asked: Asked) -> HTMLResponse:
    """Every run beside the baseline, on the same tasks."""
    with reading_scope(engine) as session:
        found = compare.chosen(session, asked.ids)
        base = compare.baseline(found, asked.base)
        made = compare.pairs(session, found, base, asked.k)
        labels = styles_of(found)
    context = CompareSignificance(
        labels={key: style.label for key, style in labels.items()},
        styles={key: mark_of(style) for key, style in labels.items()},
        base=base,
        k=asked.k,
        pairs=made,
    )
    return render(context)
