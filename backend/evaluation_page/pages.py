"""`/evaluations/{id}`: one scoring of one checkpoint; and the form on a run's page that asks for one."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Form, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy.orm import Session

from backend.db.session import reading_scope, session_scope
from backend.domain.evaluation_request import parse_request
from backend.evaluation import service as evaluations
from backend.evaluation.views import EvaluationView
from backend.evaluation_page import pass_curve
from backend.evaluation_page import strata as by_stratum
from backend.evaluation_page.contexts import EvaluationPage
from backend.evaluation_page.evaluate_form import AskedAdaptation, AskedSearch
from backend.evaluation_page.failure_modes import MODES
from backend.kit.lists import items_of
from backend.queue import dispatch
from backend.web.deps import Database, EvaluationId, RunId, announce
from backend.web.rendering import render
from backend.web.routing import EDITOR, VIEWER, Router

router = Router(reads=VIEWER, writes=EDITOR, include_in_schema=False)
Text = Annotated[str, Form()]


@router.get("/evaluations/{evaluation_id}")
def evaluation_page(evaluation_id: EvaluationId, engine: Database) -> HTMLResponse:
    """Everything one evaluation found so far; the candidates come when they are looked at."""
    with reading_scope(engine) as session:
        view = evaluations.get(session, evaluation_id)
        inputs = evaluations.test_inputs(session, evaluation_id)
        strata = by_stratum.strata(session, evaluation_id)
        plain = _plain(session, view)
    curve = pass_curve.drawn(view.curve, view.views)
    return render(EvaluationPage(view, curve, inputs, strata, MODES, plain))


def _plain(session: Session, view: EvaluationView) -> EvaluationView | None:
    """The same checkpoint by the same protocol, but for a search and an adaptation: what these changed."""
    if not (view.search or view.adaptation):
        return None
    wanted = replace(view.protocol, search="", adaptation="")
    others = evaluations.find(session, view.run_id, ["finished"], evaluations.MAX_LIMIT)
    return next((each for each in others if each.step == view.step and each.protocol == wanted), None)


@router.post("/runs/{run_id}/evaluate")
def evaluate(
    run_id: RunId,
    engine: Database,
    set_name: Text = "",
    first_tasks: Text = "",
    tasks: Text = "",
    step: Text = "",
    weights: Text = "ema",
    views: Text = "",
    act_steps: Text = "",
    trace_steps: Text = "",
    distinct_views: Text = "",
    workers: Text = "",
    trim: Text = "",
    adaptation: AskedAdaptation = None,
    search: AskedSearch = None,
) -> Response:
    """Queue an evaluation, for a browser without script, and show it."""
    asked: dict[str, Any] = {
        "set": set_name,
        "first_tasks": first_tasks,
        "step": step,
        "weights": weights,
        "views": views,
        "act_steps": act_steps,
        "workers": workers,
        "trim": trim,
    }
    given = {name: value for name, value in asked.items() if value}
    if tasks.strip():
        given.pop("first_tasks", None)  # the form has a number in it from the start
    given |= {
        "tasks": items_of(tasks, spaced=True),
        "trace_steps": trace_steps == "on",
        "distinct_views": distinct_views == "on",
    }
    if adaptation:
        given["adaptation"] = adaptation
    if search:
        given["search"] = search
    with session_scope(engine) as session:
        view = evaluations.request(session, run_id, parse_request(given))
    return _sent(view)


@router.post("/evaluations/{evaluation_id}/cancel")
def cancel(evaluation_id: EvaluationId, engine: Database) -> Response:
    """Stop an evaluation, for a browser without script."""
    with session_scope(engine) as session:
        view = evaluations.cancel(session, evaluation_id)
    announce(view.run_id)
    return _shown(view)


@router.post("/evaluations/{evaluation_id}/resume")
def resume(evaluation_id: EvaluationId, engine: Database) -> Response:
    """Queue it again, for a browser without script."""
    with session_scope(engine) as session:
        view = evaluations.resume(session, evaluation_id)
    return _sent(view)


def _sent(view: EvaluationView) -> Response:
    dispatch.send_evaluation(view.id, view.max_workers or 1)
    announce(view.run_id)
    return _shown(view)


def _shown(view: EvaluationView) -> Response:
    return RedirectResponse(f"/evaluations/{view.id}", HTTPStatus.SEE_OTHER)
