"""/api/v1/runs/external and what a script says of such a run: points apart, which are in `series_api`."""

from __future__ import annotations

import math
from typing import Any, Literal

from fastapi import Response
from pydantic import Field

from backend.db.session import session_scope
from backend.domain import records
from backend.domain.experiment import BarHypothesis
from backend.domain.log_levels import Level
from backend.kit.model import Model
from backend.lifecycle import external_runs
from backend.lifecycle.heartbeat import DEFAULT_SECONDS, MAX_SECONDS, MIN_SECONDS
from backend.metrics.frames import MAX_STEP, MAX_WALL_TIME
from backend.run_page.api import PROJECT
from backend.run_view.views import RunView
from backend.runs.status import RunStatus
from backend.web import notify
from backend.web.deps import Database, RunId, announce
from backend.web.errors import responses
from backend.web.inputs import Input
from backend.web.routing import EDITOR, LOG, VIEWER, Router, needs

router = Router(reads=VIEWER, writes=EDITOR, prefix="/runs", tags=["runs"])

MAX_LINES = 5000  # of a log, in one request
ANY_CONFIG = "Any JSON object, at most 32 levels deep and 256 KiB; it means nothing to the lab."


class ExternalRun(Input):
    """A run that an external script logs here."""

    name: str = Field(min_length=1, max_length=120, examples=["baseline"])
    id: str = Field(
        "",
        description="Ten lower-case letters and digits that the script chose, so that it may ask again: if "
        "there is such an external run it continues, and is running again if it was over. Empty: a new id.",
        examples=["k3v9x0q2ab"],
    )
    config: dict[str, Any] = Field(default={}, description=ANY_CONFIG, examples=[{"lr": 1e-3}])
    heartbeat_seconds: float = Field(
        DEFAULT_SECONDS,
        ge=MIN_SECONDS,
        le=MAX_SECONDS,
        description="The script promises to log points or a heartbeat at least this often.",
    )
    hypothesis: BarHypothesis | None = Field(
        None, description="A bar on a series that the script logs, judged when it says `finished`."
    )
    project: str = Field("", description=PROJECT, examples=["arc-2"])
    tags: list[str] = Field([], description="Of a new run: one that continues keeps its own.")
    notes: str = Field("", description="Of a new run, as text: one that continues keeps its own.")


class End(Input):
    """How an external run ended."""

    status: Literal["finished", "failed", "cancelled"] = "finished"
    cause: str = Field("", max_length=2000)


class Beat(Input):
    """When the next sign of life follows."""

    next_within: float | None = Field(
        None,
        ge=MIN_SECONDS,
        le=MAX_SECONDS,
        description="Seconds; more before a long step. Left out: the run's `heartbeat_seconds`, or what an "
        "earlier heartbeat promised, if that is later.",
        examples=[600],
    )


class Heard(Model):
    """The heartbeat is committed."""

    due_at: float = Field(description="By when the next one is promised, in seconds since the Unix epoch.")


class Line(Input):
    """A line for the log of a run."""

    text: str = Field(max_length=20_000, examples=["epoch 3: loss 0.21"])
    level: Level = "info"
    wall_time: float = Field(ge=0, le=MAX_WALL_TIME, description="Seconds since the Unix epoch.")


class Lines(Input):
    """Lines of a log, oldest first."""

    lines: list[Line] = Field(max_length=MAX_LINES)


class Added(Model):
    """What was written; it is committed."""

    added: int = Field(description="How many lines are new; the others were there already.")


class NewConfig(Input):
    """The whole config of an external run from now on."""

    config: dict[str, Any] = Field(description=ANY_CONFIG, examples=[{"lr": 1e-3}])


class NewAlarm(Input):
    """Something that people should look at."""

    name: str = Field(min_length=1, max_length=120, examples=["loss spike"])
    text: str = Field(min_length=1, max_length=2000, examples=["The loss rose from 0.2 to 9.1."])
    step: int = Field(0, ge=0, le=MAX_STEP)
    value: float | None = Field(None, description="What was measured, where it is a number.")
    threshold: float | None = Field(None, description="What it was compared with.")


class Raised(Model):
    """What came of it."""

    new: bool = Field(description="False: the run had an alarm of this name already, which stays.")


@router.post("/external", status_code=201, responses=responses(401, 409, 413, 422))
@needs(LOG)
def create_external_run(body: ExternalRun, response: Response, engine: Database) -> RunView:
    """Create a run that an external script logs into, by `POST /api/v1/runs/{id}/metrics`."""
    with session_scope(engine) as session:
        run = external_runs.create(
            session,
            body.name,
            body.config,
            body.hypothesis,
            body.heartbeat_seconds,
            body.project,
            body.id,
            body.tags,
            body.notes,
        )
    announce(run.id)
    response.headers["Location"] = f"/api/v1/runs/{run.id}"
    return run


@router.post("/{run_id}/heartbeat", responses=responses(401, 404, 409, 422))
@needs(LOG)
def beat(run_id: RunId, engine: Database, body: Beat | None = None) -> Heard:
    """Say that the script of an external run is alive. A run that was lost is running again.

    409: the run is over, cancelled by somebody, say; the script should stop.
    """
    with session_scope(engine) as session:
        due = external_runs.hear(session, run_id, body.next_within if body else None)
    notify.logged(run_id)
    return Heard(due_at=due)


@router.post("/{run_id}/log", responses=responses(401, 404, 409, 413, 422))
@needs(LOG)
def add_to_log(run_id: RunId, body: Lines, engine: Database) -> Added:
    """Add lines to the log of an external run. A line of the same time and text that is there already is not
    added again, so sending a request twice is safe. This is a heartbeat, too."""
    lines = [records.LogLine(each.wall_time, each.level, each.text) for each in body.lines]
    with session_scope(engine) as session:
        added = external_runs.add_log_lines(session, run_id, lines)
    notify.logged(run_id)
    return Added(added=added)


@router.put("/{run_id}/config", responses=responses(401, 404, 409, 413, 422))
@needs(LOG)
def set_config(run_id: RunId, body: NewConfig, engine: Database) -> RunView:
    """Replace the config of an external run that has not ended."""
    with session_scope(engine) as session:
        run = external_runs.set_config(session, run_id, body.config)
    announce(run_id)
    return run


@router.post("/{run_id}/alarms", responses=responses(401, 404, 409, 422))
@needs(LOG)
def raise_alarm(run_id: RunId, body: NewAlarm, engine: Database) -> Raised:
    """Raise an alarm of an external run, once per name: it is shown with the run and sent to the webhook."""
    value, threshold = (math.nan if each is None else each for each in (body.value, body.threshold))
    with session_scope(engine) as session:
        alarm = records.Alarm(body.name, body.step, value, threshold, body.text)
        new = external_runs.raise_alarm(session, run_id, alarm)
    announce(run_id)
    return Raised(new=new)


@router.post("/{run_id}/finish", responses=responses(401, 404, 409, 422))
@needs(LOG)
def finish_run(run_id: RunId, engine: Database, body: End | None = None) -> RunView:
    """Say how an external run ended."""
    end = body or End()
    with session_scope(engine) as session:
        run = external_runs.finish(session, run_id, RunStatus(end.status), end.cause)
    announce(run_id)
    return run
