"""`/ablations/{id}`: the card of a checkpoint; `/runs/{id}/ablate`: the form that asks for one."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Form, Query, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import ConfigDict, Field, ValidationError

from backend.ablations import service as ablations
from backend.ablations.api import AblationId, send
from backend.ablations.contexts import AblatePage, AblationPage
from backend.data import service as datasets
from backend.db.session import reading_scope, session_scope
from backend.domain.ablation.planning import ABOUT, ACT_STEPS, AblationRequest, Part
from backend.kit.errors import EtrmError, FieldProblem, InvalidInput
from backend.kit.lists import items_of
from backend.kit.model import Model
from backend.kit.problems import invalid
from backend.lifecycle import service as runs
from backend.runs import checkpoints
from backend.web.deps import Configured, Database, RunId, announce
from backend.web.rendering import render
from backend.web.routing import EDITOR, VIEWER, Router

router = Router(reads=VIEWER, writes=EDITOR, include_in_schema=False)

NOT_STARTED = "The ablation was not started."


@router.get("/ablations/{ablation_id}")
def ablation_page(ablation_id: AblationId, engine: Database) -> HTMLResponse:
    """The rows so far, and the card once all are finished."""
    with reading_scope(engine) as session:
        view = ablations.get(session, ablation_id)
    return render(AblationPage(view))


class Asked(Model):
    """The form as it was filled in; a field that is empty asks nothing."""

    model_config = ConfigDict(defer_build=False)  # FastAPI asks for its fields

    step: str = ""
    set_name: str = ""
    first_tasks: str = ""
    workers: str = ""
    views: str = ""
    act_steps: str = ""
    part: list[str] = Field(default_factory=list)
    chosen: str = ""  # the form was shown: parts that are not named are not wanted

    @property
    def parts(self) -> list[Part]:
        """The parts that are wanted."""
        return [part for part in Part if part in self.part or not (self.part or self.chosen)]

    def request(self) -> AblationRequest:
        """What the ablation is asked; InvalidInput."""
        if self.chosen and not self.part:
            raise invalid(NOT_STARTED, "parts", "none is chosen.", "Choose what is changed.")
        given: dict[str, Any] = {
            "step": self.step,
            "set": self.set_name,
            "first_tasks": self.first_tasks,
            "workers": self.workers,
            "views": items_of(self.views, spaced=True),
            "act_steps": items_of(self.act_steps, spaced=True),
            "parts": self.part,
        }
        try:
            return AblationRequest.model_validate({name: value for name, value in given.items() if value})
        except ValidationError as error:
            problems = [
                FieldProblem(".".join(map(str, each["loc"])), f"{each['msg']}.") for each in error.errors()
            ]
            raise InvalidInput(NOT_STARTED, problems=problems) from None


@router.get("/runs/{run_id}/ablate")
def ablate_page(run_id: RunId, engine: Database, asked: Annotated[Asked, Query()]) -> HTMLResponse:
    """What an ablation of a checkpoint would queue, and about how long that takes: nothing is started."""
    estimate, problem = None, ""
    with reading_scope(engine) as session:
        run = runs.get(session, run_id)
        try:
            estimate = ablations.estimate(session, run_id, asked.request())
        except EtrmError as error:
            problem = error.causes
        steps = [each.step for each in checkpoints.list(session, run_id)]
        sets = [each.name for each in datasets.sets(session)]
    parts = [(part.value, ABOUT[part], part in asked.parts) for part in Part]
    return render(AblatePage(run, steps, sets, asked, parts, ACT_STEPS, estimate, problem))


@router.post("/runs/{run_id}/ablate")
def ablate(
    run_id: RunId, engine: Database, settings: Configured, asked: Annotated[Asked, Form()]
) -> Response:
    """Start an ablation and show it."""
    request = asked.request()
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
