"""Server-sent events: a run as it progresses, and the table of runs.

Every event of a run carries the cursor `VERSION.LOG_ID` as its id. A browser sends the last one back when it
connects again (`Last-Event-ID`), anybody else as `?cursor=`: what came in between is sent first, so nothing
is lost. A metric's point may come twice (written over, or delivered again); the later one counts. Every
stream sends `heartbeat` `{}` about every ten seconds: without it the connection is dead. `refresh` `{}` ends
a stream whose reader falls too far behind: connect again with the last cursor.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Header, Query
from fastapi.responses import Response

from backend.people.streams import Live
from backend.run_page.other_streams import EvaluationSource, TableSource, TableStart
from backend.run_page.run_stream import Cursor, RunSource, RunStart
from backend.web.deps import EvaluationId, RunId
from backend.web.errors import responses
from backend.web.live.response import EventStream
from backend.web.routing import VIEWER, Router

router = Router(reads=VIEWER, tags=["events"])


@router.get("/runs/{run_id}/events", response_class=EventStream, responses=responses(401, 404, 422, 429))
async def follow_run(
    run_id: RunId,
    streams: Live,
    cursor: Annotated[str, Query(description="VERSION.LOG_ID; what comes after it is sent.")] = "0.0",
    known: Annotated[
        str, Query(max_length=64, description="The `state` of the run that is shown already: it is not sent.")
    ] = "",
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """A run as it progresses.

    - `points` `{"version", "series": {name: {"step", "value", "wall_time", "points", "nan_steps"}}}`
    - `log` `{"lines": [{"id", "wall_time", "level", "text"}]}`
    - `evaluation` one entry of the run's `results`
    - `status` the run, as `GET /api/v1/runs/{id}` gives it
    - `end` the run is over and everything was sent: close the connection
    """
    start = RunStart(Cursor.of(last_event_id or cursor), known)
    return await streams.open(RunSource(run_id), ("run", run_id), start)


@router.get(
    "/evaluations/{evaluation_id}/events",
    response_class=EventStream,
    responses=responses(401, 404, 422, 429),
)
async def follow_evaluation(evaluation_id: EvaluationId, streams: Live) -> Response:
    """An evaluation as it progresses: `evaluation` as `GET /api/v1/evaluations/{id}` gives it, then `end`."""
    return await streams.open(EvaluationSource(evaluation_id), ("evaluation", evaluation_id))


@router.get("/events", response_class=EventStream, responses=responses(401, 422, 429))
async def follow_runs(
    streams: Live,
    changes_only: Annotated[bool, Query(description="Leave out how the runs are at the start.")] = False,
) -> Response:
    """The table of runs: `status` (a run without config and traceback) at the start and on every change."""
    return await streams.open(TableSource(), "table", TableStart(changes_only))
