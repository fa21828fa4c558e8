"""`/dashboards`, `/d/{slug}`: saved pages of panels; `/s/{secret}`: what a share link shows."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse, StreamingResponse
from markupsafe import Markup
from sqlalchemy.orm import Session

from backend.charts.cache import as_json
from backend.charts.view import ChartView, PanelIds, View
from backend.comparison import service as compare
from backend.comparison.board import By
from backend.comparison.curves_csv import curves_csv
from backend.dashboards import service as dashboards
from backend.dashboards.contexts import DashboardPage, DashboardsPage, ExportedDashboard, SharedDashboard
from backend.dashboards.panel_csv import as_csv
from backend.dashboards.panels import Panels, panels_of
from backend.dashboards.paper import panel_figure_file, panel_table_file, paper
from backend.dashboards.service import DashboardView
from backend.db.session import reading_scope, session_scope
from backend.domain.dashboards import CurvesPanel, of_comparison
from backend.domain.metrics import METRICS, NAMES
from backend.domain.published import CAVEATS, PUBLISHED
from backend.kit.errors import NotFound
from backend.kit.lists import items_of
from backend.run_view.views import RunView
from backend.web.assets import STATIC
from backend.web.deps import (
    Configured,
    Database,
    FigureFormat,
    FigureWidth,
    InParts,
    address_of,
    attached,
    is_only_here,
)
from backend.web.rendering import environment, render
from backend.web.routing import EDITOR, OPEN, VIEWER, Router, needs

router = Router(reads=VIEWER, writes=EDITOR, include_in_schema=False)

SHEETS = ("tokens", "frame", "controls", "tables", "run_page", "comparison", "dashboards", "explore")
ICON = re.compile(r'<svg class="icon.*?</svg>', re.DOTALL)


@router.get("/dashboards")
def list_page(engine: Database) -> HTMLResponse:
    """Every dashboard, and a field to make another."""
    with reading_scope(engine) as session:
        return render(DashboardsPage(dashboards.find(session)))


@router.post("/dashboards")
def create(
    engine: Database,
    name: Annotated[str, Form()] = "",
    runs: Annotated[str, Form()] = "",
    by: Annotated[By, Form()] = "seed",
) -> Response:
    """A new dashboard, empty, or a comparison of the named runs; then its page."""
    with session_scope(engine) as session:
        if not runs:
            made = dashboards.create(session, name)
            return RedirectResponse(f"/d/{made.slug}?edit=1", HTTPStatus.SEE_OTHER)
        found = compare.chosen(session, runs.split(","))
        metrics = {metric for run in found for metric in run.metrics}
        content = of_comparison([run.id for run in found], by, metrics)
        made = dashboards.create(session, name, content.model_dump(mode="json"))
    return RedirectResponse(f"/d/{made.slug}", HTTPStatus.SEE_OTHER)


@router.get("/d/{slug}")
def dashboard_page(
    slug: str, request: Request, engine: Database, settings: Configured, view: View, edit: str = ""
) -> HTMLResponse:
    """A dashboard, live; with `?edit=1` its panels can be changed."""
    with reading_scope(engine) as session:
        found = dashboards.get(session, slug)
        panels = panels_of(session, found.content)
        context = DashboardPage(
            **_filled(panels, found, view),
            view=view,
            shares=dashboards.shares(session, slug),
            only_here=is_only_here(address_of(request, settings)),
            metrics=_choices(panels.runs),
            content_json=json.dumps(found.content.model_dump(mode="json")),
            edited=bool(edit),
        )
    return render(context)


@router.get("/d/{slug}/figures")
def figures(slug: str, panel_ids: PanelIds, engine: Database, view: View) -> Response:
    """Panels of curves as Plotly figures."""
    with reading_scope(engine) as session:
        return _figures(session, dashboards.get(session, slug), panel_ids, view)


@router.get("/d/{slug}/panels/{panel_id}.csv")
def panel_csv(slug: str, panel_id: str, engine: Database) -> Response:
    """The numbers of a panel."""
    with reading_scope(engine) as session:
        return _csv(session, dashboards.get(session, slug), panel_id)


@router.get("/d/{slug}/export.html")
def export(slug: str, engine: Database) -> Response:
    """The dashboard as one HTML file that needs nothing else."""
    with reading_scope(engine) as session:
        html = exported(session, dashboards.get(session, slug))
    return Response(html, media_type="text/html", headers=_as_file(f"{slug}.html"))


@router.get("/s/{secret}")
@needs(OPEN)
def shared_page(secret: str, engine: Database, view: View) -> HTMLResponse:
    """What a share link shows, without a login."""
    with reading_scope(engine) as session:
        found = dashboards.opened_by(session, secret)
        filled = _filled(panels_of(session, found.content), found, view)
    with session_scope(engine) as session:
        dashboards.note_opened(session, secret)
    return render(SharedDashboard(**filled, view=view, address=f"/s/{secret}"))


@router.get("/s/{secret}/figures")
@needs(OPEN)
def shared_figures(secret: str, panel_ids: PanelIds, engine: Database, view: View) -> Response:
    """Shared panels of curves as Plotly figures."""
    with reading_scope(engine) as session:
        return _figures(session, dashboards.opened_by(session, secret), panel_ids, view)


@router.get("/s/{secret}/panels/{panel_id}.csv")
@needs(OPEN)
def shared_csv(secret: str, panel_id: str, engine: Database) -> Response:
    """The numbers of a shared panel."""
    with reading_scope(engine) as session:
        return _csv(session, dashboards.opened_by(session, secret), panel_id)


@router.get("/s/{secret}/panels/{panel_id}/figure")
@needs(OPEN)
def shared_figure(
    secret: str,
    panel_id: str,
    engine: Database,
    view: View,
    format: FigureFormat = "pdf",
    width: FigureWidth = "3.5",
) -> Response:
    """A shared panel of curves, bars or grids as a figure for a paper."""
    opened = partial(dashboards.opened_by, secret=secret)
    return attached(panel_figure_file(engine, opened, panel_id, view, width, format))


@router.get("/s/{secret}/panels/{panel_id}/table")
@needs(OPEN)
def shared_table(secret: str, panel_id: str, engine: Database, format: str = "latex") -> Response:
    """A shared table, typeset for a paper."""
    opened = partial(dashboards.opened_by, secret=secret)
    return attached(panel_table_file(engine, opened, panel_id, format))


@router.get("/s/{secret}/paper")
@needs(OPEN)
def shared_paper(secret: str, engine: Database, view: View) -> InParts:
    """All of a shared dashboard for a paper."""
    with reading_scope(engine) as session:
        dashboard = dashboards.opened_by(session, secret)
    return InParts(paper(engine, dashboard.name, dashboard.content, view))


@router.get("/s/{secret}/series.csv")
@needs(OPEN)
def shared_series(secret: str, engine: Database, names: str) -> StreamingResponse:
    """Every point of a shared dashboard's runs as CSV: only metrics that a panel of it shows."""
    with reading_scope(engine) as session:
        found = dashboards.opened_by(session, secret)
        shown = {panel.metric for panel in found.content.panels if isinstance(panel, CurvesPanel)}
        asked = [name for name in items_of(names) if name in shown]
        ids = [run.id for run in dashboards.runs_of(session, found.content.source)]
        _, parsed = compare.sorted_out(session, ids, asked)
    headers = _as_file("series.csv")
    return StreamingResponse(curves_csv(engine, ids, asked, parsed), media_type="text/csv", headers=headers)


def exported(session: Session, found: DashboardView) -> str:
    """The HTML of an export: style sheets and drawings inside, no script."""
    css = "\n".join((STATIC / "css" / f"{sheet}.css").read_text() for sheet in SHEETS)
    context = ExportedDashboard(
        **_filled(panels_of(session, found.content), found, ChartView()),
        head=Markup("<style>{}</style>").format(Markup(css)),
        made_at=time.time(),
    )
    values = {name: getattr(context, name) for name in context.__dataclass_fields__}
    html = environment().get_template(context.template).render(values | context.shared())
    return ICON.sub("", html)  # they lie in a file of their own; the words beside them say the same


def _filled(panels: Panels, found: DashboardView, view: ChartView) -> dict[str, Any]:
    """What every page of a dashboard shows, whoever looks."""
    return {
        "dashboard": found,
        "panels": [panels.shown(panel, view) for panel in found.content.panels],
        "runs": panels.runs,
        "labels": panels.labels,
        "published": PUBLISHED,
        "caveats": CAVEATS,
    }


def _choices(runs: Sequence[RunView]) -> list[str]:
    """The metrics that curves can be of: those that trainings record, and what else these runs have."""
    recorded = sorted({name for run in runs for name in run.metrics} - set(NAMES))
    return [*(each.name for each in METRICS if each.charted), *recorded]


def _figures(session: Session, found: DashboardView, panel_ids: list[str], view: ChartView) -> Response:
    wanted = [found.panel(panel_id) for panel_id in panel_ids]
    made = panels_of(session, found.content).charts(wanted, view)
    return Response(as_json(made), media_type="application/json")


def _csv(session: Session, found: DashboardView, panel_id: str) -> Response:
    text = as_csv(panels_of(session, found.content).shown(found.panel(panel_id), ChartView()))
    return Response(text, media_type="text/csv", headers=_as_file(f"{found.slug}-{panel_id}.csv"))


def _as_file(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}


@router.get("/s/{rest:path}")
@needs(OPEN)
def nothing_shared(rest: str) -> Response:
    """What has no login is told that the link leads nowhere, not to log in."""
    raise NotFound("Page not found.", "Ask whoever sent you the link for a new one.")
