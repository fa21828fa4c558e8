"""/api/v1/groups: sweep a config over seeds and fields, and read what came of it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query, Response
from pydantic import Field

from backend.db.session import reading_scope, session_scope
from backend.domain.sweeps import Confound, confounds, parse_sweep
from backend.groups import service as groups
from backend.groups.views import GroupSummary, GroupView
from backend.kit.errors import InvalidInput
from backend.kit.model import Model
from backend.lifecycle.given_config import GivenConfig
from backend.queue import dispatch
from backend.web.deps import Database, GroupId, announce, json_body
from backend.web.errors import ErrorField, responses
from backend.web.inputs import CONFIG
from backend.web.routing import EDITOR, VIEWER, Router, needs

router = Router(reads=VIEWER, writes=EDITOR, prefix="/groups", tags=["groups"])

SWEEP = {"$ref": "#/components/schemas/Sweep"}
BODY = json_body(
    {"$ref": "#/components/schemas/NewGroup", "properties": {"sweep": SWEEP, "config": CONFIG}},
    three_seeds={"preset": "quick", "sweep": {"seeds": 3}},
    a_grid={
        "preset": "quick",
        "overrides": {"training.steps": 300},
        "sweep": {"seeds": 2, "grid": {"model.core.width": [64, 128]}},
        "name": "is wider better?",
    },
)


class NewGroup(GivenConfig):
    """A config, or a preset with overrides, and how to vary it."""

    sweep: Any


class PlannedRun(Model):
    """A run that a sweep would make."""

    name: str = Field(examples=["quick · width 64 · seed 0"])
    changes: dict[str, Any] = Field(examples=[{"model.core.width": 64, "seed": 0}])


class Plan(Model):
    """What a sweep would make; where it is not valid, one problem for each mistake and no runs."""

    valid: bool
    message: str = Field("", description="What is wrong, in short; empty if valid.")
    problems: list[ErrorField]
    count: int = Field(description="Number of runs.")
    runs: list[PlannedRun]
    also_differs: list[Confound] = Field(
        [], description="Fields that differ between the configurations though nobody swept them."
    )


class GroupPage(Model):
    """Groups, newest first; pass `next_cursor` as `cursor` for the next page."""

    groups: list[GroupSummary]
    next_cursor: str | None


@router.post("", status_code=201, responses=responses(401, 409, 413, 422), openapi_extra=BODY)
def create_group(body: NewGroup, response: Response, engine: Database) -> GroupView:
    """Queue every run of a sweep, all or none."""
    config, sweep = body.experiment(groups.NOT_CREATED), parse_sweep(body.sweep)
    with session_scope(engine) as session:
        group = groups.create(session, config, sweep, body.name, project=body.project)
    dispatch.send_all(run.id for run in group.runs)
    announce()
    response.headers["Location"] = f"/api/v1/groups/{group.id}"
    return group


@router.post("/preview", responses=responses(401, 413, 422), openapi_extra=BODY)
@needs(VIEWER)
def preview_group(body: NewGroup, engine: Database) -> Plan:
    """Say which runs a sweep would make, without making any."""
    try:
        config, sweep = body.experiment(groups.NOT_CREATED), parse_sweep(body.sweep)
        with reading_scope(engine) as session:
            planned = groups.planned(session, config, sweep)
    except InvalidInput as error:
        found = [ErrorField(field=p.field, message=p.message, hint=p.hint) for p in error.problems]
        return Plan(valid=False, message=error.message, problems=found, count=0, runs=[])
    listed = [PlannedRun(name=each.config.name, changes=dict(each.changes)) for each in planned]
    also = confounds([each.config.model_dump(mode="json") for each in planned], sweep)
    return Plan(valid=True, problems=[], count=len(listed), runs=listed, also_differs=also)


@router.get("", responses=responses(401, 422))
def list_groups(
    engine: Database,
    limit: Annotated[int, Query(ge=1, le=groups.MAX_LIMIT)] = 50,
    cursor: str | None = None,
) -> GroupPage:
    """List the groups, newest first, with how many of their runs have each status."""
    with reading_scope(engine) as session:
        page = groups.find(session, limit, cursor)
    return GroupPage(groups=page.groups, next_cursor=page.next_cursor)


@router.get("/{group_id}", responses=responses(401, 404))
def read_group(group_id: GroupId, engine: Database) -> GroupView:
    """One group: its sweep, its runs by variation, and their results over seeds."""
    with reading_scope(engine) as session:
        return groups.get(session, group_id)


@router.post("/{group_id}/cancel", responses=responses(401, 404))
def cancel_group(group_id: GroupId, engine: Database) -> GroupView:
    """Stop every run of the group that is not over."""
    with session_scope(engine) as session:
        group = groups.cancel(session, group_id)
    announce(*(run.id for run in group.runs))
    return group
