"""`/`: the table of runs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from backend.api.deps import Database
from backend.db.session import reading_scope
from backend.domain.errors import FieldProblem, InvalidInput
from backend.pages import health
from backend.pages.contexts import RunRow, RunsPage
from backend.pages.rendering import render
from backend.pages.sparklines import sparkline
from backend.services import groups, runs
from backend.services.group_view import GroupSummary
from backend.services.run_search import NEWEST_FIRST
from backend.services.run_view import RunView

router = APIRouter(include_in_schema=False)

ROWS = 200
ONE_GROUP = re.compile(r'\s*group\s*==\s*"([a-z0-9]{10})"\s*')


@router.get("/")
def runs_page(
    engine: Database,
    filter: Annotated[str, Query(max_length=2000)] = "",
    sort: str = NEWEST_FIRST,
    cursor: str | None = None,
) -> HTMLResponse:
    """The runs that match a filter. A filter that cannot be read is told and shows all runs."""
    problem = None
    with reading_scope(engine) as session:
        try:
            page = runs.find(session, filter, ROWS, cursor, sort=sort, metrics=health.METRICS)
        except InvalidInput as error:
            problem = error.problems[0] if error.problems else FieldProblem("", error.message, error.hint)
            page = runs.find(session, limit=ROWS, metrics=health.METRICS)
        context = RunsPage(
            rows=_rows(session, page.runs),
            filter_text=filter,
            sort=sort,
            problem=problem,
            next_cursor=page.next_cursor,
            cursor=cursor,
            any_runs=bool(page.runs) or bool(runs.find(session, limit=1, metrics=()).runs),
            group=_group(session, filter),
        )
    return render(context, HTTPStatus.UNPROCESSABLE_ENTITY if problem else HTTPStatus.OK)


def _group(session: Session, filter_text: str) -> GroupSummary | None:
    """The group that the filter asks for and nothing besides."""
    found = ONE_GROUP.fullmatch(filter_text)
    return groups.summary(session, found[1]) if found else None


def _rows(session: Session, found: Sequence[RunView]) -> list[RunRow]:
    return [RunRow(run, health.health_of(run), _course(session, run)) for run in found]


def _course(session: Session, run: RunView) -> str:
    """The run's accuracy, or its loss where it logs none."""
    metric = next((name for name in (health.TOKEN, health.LOSS) if name in run.metrics), "")
    return sparkline(session, run, metric)
