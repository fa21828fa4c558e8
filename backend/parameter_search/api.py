"""/api/v1/parameter-searches: start a search over the fields of a config, read, stop and continue it."""

from __future__ import annotations

from typing import Any

from fastapi import Response

from backend.db.session import reading_scope, session_scope
from backend.domain.parameter_search import parse_search
from backend.lifecycle.given_config import GivenConfig
from backend.parameter_search import service as searches
from backend.parameter_search.views import ParameterSearchView
from backend.web.deps import Database, GroupId, announce, json_body
from backend.web.errors import responses
from backend.web.inputs import CONFIG
from backend.web.routing import EDITOR, VIEWER, Router

router = Router(reads=VIEWER, writes=EDITOR, prefix="/parameter-searches", tags=["parameter searches"])

BODY = json_body(
    {
        "$ref": "#/components/schemas/NewParameterSearch",
        "properties": {"search": {"$ref": "#/components/schemas/ParameterSearch"}, "config": CONFIG},
    },
    learning_rate={
        "preset": "quick",
        "search": {
            "fields": {"optimisation.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}},
            "objective": "pass@1",
            "trials": 20,
            "seeds": 3,
            "at_once": 2,
        },
    },
)


class NewParameterSearch(GivenConfig):
    """A config, or a preset with overrides, and what to search for in which of its fields."""

    search: Any


@router.post("", status_code=201, responses=responses(401, 409, 413, 422), openapi_extra=BODY)
def create_parameter_search(
    body: NewParameterSearch, response: Response, engine: Database
) -> ParameterSearchView:
    """Start a parameter search; its first runs are queued within seconds."""
    config, search = body.experiment(searches.NOT_CREATED), parse_search(body.search)
    with session_scope(engine) as session:
        view = searches.create(session, config, search, body.name, project=body.project)
    announce()
    response.headers["Location"] = f"/api/v1/parameter-searches/{view.id}"
    return view


@router.get("/{group_id}", responses=responses(401, 404))
def read_parameter_search(group_id: GroupId, engine: Database) -> ParameterSearchView:
    """One parameter search, by the id of its group: every trial with its interval, and the best so far."""
    with reading_scope(engine) as session:
        return searches.get(session, group_id)


@router.post("/{group_id}/stop", responses=responses(401, 404))
def stop_parameter_search(group_id: GroupId, engine: Database) -> ParameterSearchView:
    """Add no further run. Those that wait or run continue; to cancel them as well, cancel the group."""
    with session_scope(engine) as session:
        return searches.stop(session, group_id)


@router.post("/{group_id}/continue", responses=responses(401, 404, 409))
def continue_parameter_search(group_id: GroupId, engine: Database) -> ParameterSearchView:
    """Continue a search that was stopped, with the rest of its budget."""
    with session_scope(engine) as session:
        return searches.resume(session, group_id)
