"""`/studies`, `/studies/{id}`: every claim of a paper with its verdict."""

from __future__ import annotations

from functools import cache
from http import HTTPStatus
from typing import Annotated

from fastapi import Form, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from backend.db.session import reading_scope, session_scope
from backend.study import library
from backend.study import service as studies
from backend.study.contexts import Available, StudiesPage, StudyPage
from backend.web.deps import Database, announce
from backend.web.rendering import render
from backend.web.routing import EDITOR, VIEWER, Router

router = Router(reads=VIEWER, writes=EDITOR, include_in_schema=False)


@router.get("/studies")
def list_page(engine: Database) -> HTMLResponse:
    """All studies, and a form to start one."""
    with reading_scope(engine) as session:
        return render(StudiesPage(studies.find(session), [_available(name) for name in library.names()]))


@router.post("/studies")
def start(
    engine: Database, study: Annotated[str, Form()] = "", scale: Annotated[str, Form()] = ""
) -> Response:
    """Start a study that comes with the lab, and show it."""
    with session_scope(engine) as session:
        view = studies.create(session, library.study_called(study), study, scale)
    announce()
    return RedirectResponse(f"/studies/{view.id}", HTTPStatus.SEE_OTHER)


@router.get("/studies/{study_id}")
def study_page(study_id: str, engine: Database) -> HTMLResponse:
    """One study."""
    with reading_scope(engine) as session:
        return render(StudyPage.of(studies.get(session, study_id)))


@router.post("/studies/{study_id}/stop")
def stop(study_id: str, engine: Database) -> Response:
    """Queue nothing further, for a browser without script."""
    with session_scope(engine) as session:
        studies.stop(session, study_id)
    return RedirectResponse(f"/studies/{study_id}", HTTPStatus.SEE_OTHER)


@router.post("/studies/{study_id}/continue")
def resume(study_id: str, engine: Database, hours: Annotated[float | None, Form()] = None) -> Response:
    """Continue a study, with another budget where one is given."""
    with session_scope(engine) as session:
        studies.resume(session, study_id, hours)
    return RedirectResponse(f"/studies/{study_id}", HTTPStatus.SEE_OTHER)


@cache
def _available(name: str) -> Available:
    """Read once: its file comes with the lab."""
    study = library.study_called(name)
    return Available(name, [studies.outline(study, name, scale) for scale in study.scales])
