"""`/`: the table of runs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from http import HTTPStatus
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from backend.api.deps import Database
from backend.db.session import reading_scope
from backend.domain.errors import FieldProblem, InvalidInput
from backend.pages import health
from backend.pages.contexts import RunRow, RunsPage
from backend.pages.rendering import render
from backend.services import runs, series
from backend.services.run_search import NEWEST_FIRST
from backend.services.run_view import RunView

router = APIRouter(include_in_schema=False)

ROWS = 200
SPARK_METRICS = ("accuracy/token", "loss")  # the first that a run has
SPARK_POINTS = 48
METRICS = (*health.METRICS, "loss")


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
            page = runs.find(session, filter, ROWS, cursor, sort=sort, metrics=METRICS)
        except InvalidInput as error:
            problem = error.problems[0] if error.problems else FieldProblem("", error.message, error.hint)
            page = runs.find(session, limit=ROWS, metrics=METRICS)
        context = RunsPage(
            rows=_rows(session, engine, page.runs),
            filter_text=filter,
            sort=sort,
            problem=problem,
            next_cursor=page.next_cursor,
            cursor=cursor,
            any_runs=bool(page.runs) or bool(runs.find(session, limit=1, metrics=()).runs),
        )
    return render(context, HTTPStatus.UNPROCESSABLE_ENTITY if problem else HTTPStatus.OK)


def _rows(session: Session, engine: Engine, found: Sequence[RunView]) -> list[RunRow]:
    return [RunRow(run, health.health_of(run), _sparkline(session, engine, run)) for run in found]


def _sparkline(session: Session, engine: Engine, run: RunView) -> str:
    """Points of the run's accuracy (or loss), kept until the run has a newer one."""
    metric = next((name for name in SPARK_METRICS if name in run.metrics), None)
    if metric is None:
        return ""
    return _cached_sparkline(_Reader(session, str(engine.url)), run.id, metric, run.metrics[metric].step)


class _Reader:
    """A session as a cache key: equal for one database, so that only run, metric and step count."""

    def __init__(self, session: Session, url: str) -> None:
        self.session, self._url = session, url

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Reader) and other._url == self._url

    def __hash__(self) -> int:
        return hash(self._url)


@lru_cache(maxsize=4096)
def _cached_sparkline(reader: _Reader, run_id: str, metric: str, _last_step: int) -> str:
    curve = series.read(reader.session, run_id, [metric], max_points=SPARK_POINTS)[metric]
    finite = np.isfinite(curve.values)
    steps, values = curve.steps[finite].astype(float), curve.values[finite]
    if len(values) < 2:
        return ""
    across = (steps - steps[0]) / max(steps[-1] - steps[0], 1.0) * 100
    height = float(values.max() - values.min()) or 1.0
    up = 22 - (values - values.min()) / height * 20
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across, up, strict=True))
