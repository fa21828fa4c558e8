"""`/groups/{id}`: a group of runs, variation by variation."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import urlencode

from fastapi import Response
from fastapi.responses import HTMLResponse, RedirectResponse

from backend.db.session import reading_scope, session_scope
from backend.groups import service as groups
from backend.groups.contexts import GroupPage
from backend.groups.views import GroupView
from backend.parameter_search import chart
from backend.parameter_search import service as searches
from backend.web.deps import Database, GroupId, announce
from backend.web.rendering import render
from backend.web.routing import EDITOR, VIEWER, Router

router = Router(reads=VIEWER, writes=EDITOR, include_in_schema=False)


@router.get("/groups/{group_id}")
def group_page(group_id: GroupId, engine: Database) -> HTMLResponse:
    """What was swept, and what came of it over the seeds."""
    with reading_scope(engine) as session:
        search = searches.of_group(session, group_id)
        progress = chart.drawn(search) if search else None
        group = groups.get(session, group_id)
        return render(GroupPage(group, search, progress, _comparison(group)))


def _comparison(group: GroupView) -> str:
    if len(group.variations) < 2:
        return ""
    return f"/compare?{urlencode({'runs': ','.join(run.id for run in group.runs), 'by': 'seed'})}"


@router.post("/groups/{group_id}/cancel")
def cancel(group_id: GroupId, engine: Database) -> Response:
    """Stop every run that is not over, for a browser without script."""
    with session_scope(engine) as session:
        group = groups.cancel(session, group_id)
    announce(*(run.id for run in group.runs))
    return RedirectResponse(f"/groups/{group_id}", HTTPStatus.SEE_OTHER)


@router.post("/groups/{group_id}/stop")
def stop(group_id: GroupId, engine: Database) -> Response:
    """Add no further run to a parameter search, for a browser without script."""
    with session_scope(engine) as session:
        searches.stop(session, group_id)
    return RedirectResponse(f"/groups/{group_id}", HTTPStatus.SEE_OTHER)


@router.post("/groups/{group_id}/continue")
def resume(group_id: GroupId, engine: Database) -> Response:
    """Continue a parameter search that was stopped, for a browser without script."""
    with session_scope(engine) as session:
        searches.resume(session, group_id)
    return RedirectResponse(f"/groups/{group_id}", HTTPStatus.SEE_OTHER)
