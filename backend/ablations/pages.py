"""`/ablations/{id}`: the card of a checkpoint; and the button on a run's page that asks for one."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Form, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import ValidationError

from backend.ablations import service as ablations
from backend.ablations.api import AblationId, send
from backend.ablations.contexts import AblationPage
from backend.db.session import reading_scope, session_scope
from backend.domain.ablation.planning import AblationRequest
from backend.kit.errors import FieldProblem, InvalidInput
from backend.web.deps import Configured, Database, RunId, announce
from backend.web.rendering import render
from backend.web.routing import EDITOR, VIEWER, Router

router = Router(reads=VIEWER, writes=EDITOR, include_in_schema=False)
Text = Annotated[str, Form()]


@router.get("/ablations/{ablation_id}")
def ablation_page(ablation_id: AblationId, engine: Database) -> HTMLResponse:
    """The rows so far, and the card once all are finished."""
    with reading_scope(engine) as session:
        view = ablations.get(session, ablation_id)
    return render(AblationPage(view))


@router.post("/runs/{run_id}/ablate")
def ablate(
    run_id: RunId,
    engine: Database,
    settings: Configured,
    step: Text = "",
    set_name: Text = "",
    first_tasks: Text = "",
    workers: Text = "",
) -> Response:
    """Start an ablation and show it."""
    asked = {"step": step, "set": set_name, "first_tasks": first_tasks, "workers": workers}
    request = _request({name: value for name, value in asked.items() if value.strip()})
    with session_scope(engine) as session:
        view, started = ablations.request(session, settings, run_id, request)
    send(started, run_id)
    return RedirectResponse(f"/ablations/{view.id}", HTTPStatus.SEE_OTHER)


@router.post("/ablations/{ablation_id}/cancel")
def cancel(ablation_id: AblationId, engine: Database) -> Response:
    """Stop what waits or runs."""
    with session_scope(engine) as session:
        view = ablations.cancel(session, ablation_id)
    announce(view.run_id)
    return RedirectResponse(f"/ablations/{view.id}", HTTPStatus.SEE_OTHER)


@router.post("/ablations/{ablation_id}/resume")
def resume(ablation_id: AblationId, engine: Database, settings: Configured) -> Response:
    """Queue again what failed or was cancelled."""
    with session_scope(engine) as session:
        view, started = ablations.resume(session, settings, ablation_id)
    send(started, view.run_id)
    return RedirectResponse(f"/ablations/{view.id}", HTTPStatus.SEE_OTHER)


def _request(given: dict[str, Any]) -> AblationRequest:
    try:
        return AblationRequest.model_validate(given)
    except ValidationError as error:
        problems = [FieldProblem(str(wrong["loc"][0]), f"{wrong['msg']}.") for wrong in error.errors()]
        raise InvalidInput("The ablation was not started.", problems=problems) from None
