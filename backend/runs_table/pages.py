"""`/`: the table of runs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Query
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from backend.charts.sparklines import sparklines
from backend.db.session import reading_scope
from backend.domain.health import LOSS, TOKEN
from backend.groups import service as groups
from backend.groups.views import GroupSummary
from backend.kit import cursors
from backend.kit.boundary import or_else, shielded
from backend.kit.errors import FieldProblem, InvalidInput, NotFound
from backend.lifecycle import service as runs
from backend.run_view import health, learning
from backend.run_view.views import RunView
from backend.runs_table import cells as runs_table
from backend.runs_table import configurations, saved_views
from backend.runs_table import search as run_search
from backend.runs_table.cells import Column
from backend.runs_table.configurations import VariationRow
from backend.runs_table.contexts import RunRow, RunsPage
from backend.runs_table.search import NEWEST_FIRST, RunPage
from backend.runs_table.state import RICH, TableState
from backend.web.deps import Database
from backend.web.rendering import render
from backend.web.routing import VIEWER, Router

router = Router(reads=VIEWER, include_in_schema=False)

ROWS = 100
GROUPINGS = ("", "seed")
ONE_GROUP = re.compile(r'\s*group\s*==\s*"([a-z0-9]{10})"\s*')


def table_state(
    filter: Annotated[str, Query(max_length=2000)] = "",
    sort: str = NEWEST_FIRST,
    column: Annotated[list[str] | None, Query()] = None,
    baseline: str = "",
    group: str = "",
    cursor: str | None = None,
) -> TableState:
    """What the address asks for."""
    columns = tuple(name.strip() for name in column or () if name.strip()) or RICH
    return TableState(filter, sort or NEWEST_FIRST, columns, baseline, group, cursor)


@router.get("/")
def runs_page(engine: Database, state: Annotated[TableState, Depends(table_state)]) -> HTMLResponse:
    """The runs that match a filter. A part of the address that means nothing is told, and left out.

    Addresses are kept: a metric in one that no run has (any more) is no mistake, and its column is empty.
    """
    with reading_scope(engine) as session:
        try:
            context = _page(session, state)
        except InvalidInput as error:
            problem = error.problems[0] if error.problems else FieldProblem("", error.message, error.hint)
            context = replace(
                _page(session, TableState()), problem=problem, state=replace(state, columns=RICH, cursor=None)
            )
    return render(context, HTTPStatus.UNPROCESSABLE_ENTITY if context.problem else HTTPStatus.OK)


def _page(session: Session, state: TableState) -> RunsPage:
    columns = runs_table.columns_of(state.columns)
    baseline = _baseline(session, state.baseline)
    notes = run_search.notes_on(session, state.filter, _plain_names(state, columns))
    if state.group not in GROUPINGS:
        notes.append(f"Unknown grouping {state.group!r}: runs are grouped by seed, or not at all.")
        state = replace(state, group="")
    if state.group:
        page, variations, more = RunPage([], None), *_variations(session, state, columns)
    else:
        page = run_search.find(
            session,
            state.filter,
            ROWS,
            state.cursor,
            sort=state.sort,
            metrics=health.METRICS,
            lenient=("sort", "column"),
        )
        variations, more = (), page.next_cursor
    rows = _rows(session, [*([baseline] if baseline else []), *page.runs], columns, baseline)
    return RunsPage(
        rows=rows[1:] if baseline else rows,
        variations=variations,
        pinned=rows[0] if baseline and not state.group else None,
        baseline=baseline,
        columns=columns,
        state=state,
        problem=None,
        notes=notes,
        next_cursor=more,
        any_runs=bool(page.runs) or run_search.any_run(session),
        group=_group(session, state.filter),
        views=saved_views.views(session),
    )


def _plain_names(state: TableState, columns: Sequence[Column]) -> list[str]:
    """The names of the filter language that the table is sorted by and shows."""
    return [state.sort.removeprefix("-"), *(column.name for column in columns if not column.rich)]


def _baseline(session: Session, run_id: str) -> RunView | None:
    """The run that others are held against; one that has gone is left out."""
    try:
        return runs.get(session, run_id) if run_id else None
    except NotFound:
        return None


def _variations(
    session: Session, state: TableState, columns: Sequence[Column]
) -> tuple[Sequence[VariationRow], str | None]:
    (start,) = cursors.read(state.cursor, int) or (0,)
    found = configurations.variations(
        session, state.filter, state.sort, columns, state.baseline, start, ROWS + 1
    )
    rows, more = found[:ROWS], str(start + ROWS) if len(found) > ROWS else None
    told = shielded("how the configurations differ", lambda: configurations.told_apart(session, rows))
    return or_else(told, rows), more


def _group(session: Session, filter_text: str) -> GroupSummary | None:
    """The group that the filter asks for and nothing besides."""
    found = ONE_GROUP.fullmatch(filter_text)
    return groups.summary(session, found[1]) if found else None


def _rows(
    session: Session, found: Sequence[RunView], columns: Sequence[Column], baseline: RunView | None
) -> list[RunRow]:
    cells = runs_table.cells_of(session, found, columns, baseline)
    courses = _courses(session, found)
    return [
        RunRow(
            run,
            learning.of_run(run),
            health.of_run(run),
            courses.get(run.id, ""),
            cells.get(run.id, {}),
        )
        for run in found
    ]


def _courses(session: Session, found: Sequence[RunView]) -> dict[str, str]:
    """Each run's accuracy, or its loss where it logs none."""
    drawn: dict[str, str] = {}
    for metric in (TOKEN, LOSS):
        left = [run for run in found if run.id not in drawn and metric in run.metrics]
        drawn |= sparklines(session, left, metric)
    return drawn
