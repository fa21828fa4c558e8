"""/api/v1/runs/{id}/series and /metrics: read curves, log points."""

from __future__ import annotations

import time
from functools import partial
from typing import Annotated, Any

from anyio.to_thread import run_sync
from fastapi import Query, Request
from fastapi.responses import Response
from pydantic import ConfigDict, Field, ValidationError, WithJsonSchema
from sqlalchemy.orm import Session

from backend.db.session import reading_scope, session_scope
from backend.domain import metrics
from backend.domain.records import MetricFrame
from backend.kit.errors import FieldProblem, InvalidInput, NotFound
from backend.kit.expressions import Expression
from backend.kit.fast_json import dumped
from backend.kit.format import NOT_FINITE, first_of
from backend.kit.lists import items_of
from backend.kit.model import Model
from backend.kit.problems import MOST_NAMED, did_you_mean
from backend.lifecycle import external_runs
from backend.lifecycle import service as runs
from backend.lifecycle.intake import Call
from backend.metrics import expressions
from backend.metrics import service as series
from backend.metrics.compactor import Compactor
from backend.metrics.frames import MAX_STEP
from backend.metrics.service import Curve
from backend.metrics.thinning import MIN_POINTS
from backend.metrics.together import Addition
from backend.people import auth
from backend.run_page.plain_frame import numbers, plain_frame
from backend.runs_table import exports as run_exports
from backend.web import notify
from backend.web.deps import Database, InParts, RawBody, RunId, json_body
from backend.web.entrance import repeated_keys
from backend.web.errors import problems, responses
from backend.web.routing import EDITOR, LOG, VIEWER, Router, asks_again, needs
from backend.web.tally import POINTS

router = Router(reads=VIEWER, writes=EDITOR, prefix="/runs/{run_id}", tags=["series"])

# What is in the lists is checked by the series themselves, all at once rather than number by number.
Steps = Annotated[list[Any], WithJsonSchema({"type": "array", "items": {"type": "integer", "minimum": 0}})]
Seconds = Annotated[list[Any], WithJsonSchema({"type": "array", "items": {"type": "number"}})]
Values = Annotated[
    list[Any],
    WithJsonSchema(
        {"type": "array", "items": {"anyOf": [{"type": "number"}, {"enum": [*NOT_FINITE]}, {"type": "null"}]}}
    ),
]


Names = Annotated[
    str,
    Query(
        description="Metrics and expressions, comma-separated; one with a comma stands in double quotes. "
        "Empty means all metrics.",
        examples=["loss", "train - heldout"],
    ),
]


class CurveView(Model):
    """One curve. NaN and infinity, which JSON does not have, are null and their steps are listed."""

    step: list[int]
    value: list[float | None]
    wall_time: list[float]
    points: int = Field(description="Points before thinning.")
    nan_steps: list[int]
    undefined: int = Field(
        0, description="Of an expression: quotients by zero and logarithms of zero or less, which are NaN."
    )


class SeriesView(Model):
    """Curves of one run; `version` is the cursor from which the event stream continues."""

    run: str
    version: int
    series: dict[str, CurveView]


class MetricsBody(Model):
    """Points of several metrics at the same steps, one value for each step."""

    model_config = ConfigDict(extra="forbid")

    step: Steps
    values: dict[str, Values] = Field(
        description='null: no point at this step. "NaN", "Infinity" and "-Infinity" are values.'
    )
    wall_time: Seconds | None = Field(None, description="Seconds since the Unix epoch; now, if left out.")


class Written(Model):
    """What was written; it is committed."""

    version: int
    steps: int


@router.get("/series", response_model=SeriesView, responses=responses(401, 404, 422))
def read_series(
    run_id: RunId,
    engine: Database,
    names: Names = "",
    max_points: Annotated[
        int, Query(ge=MIN_POINTS, le=100_000, description="Maximum number of points per curve.")
    ] = 1000,
    first: Annotated[int | None, Query(alias="from", ge=0, le=MAX_STEP, description="First step.")] = None,
    last: Annotated[
        int | None, Query(alias="to", ge=0, le=MAX_STEP, description="Last step, inclusive.")
    ] = None,
) -> Response:
    """Curves, each thinned to `max_points` so that every extreme survives."""
    asked = items_of(names) or None
    with reading_scope(engine) as session:
        runs.check_exists(session, run_id)
        names_asked, parsed = _sorted_out(session, run_id, asked)
        version = series.version(session, run_id)
        curves = series.read(session, run_id, names_asked, max_points, first, last)
        curves |= expressions.of_runs(session, [run_id], parsed, max_points, first, last)[run_id]
    body = {"run": run_id, "version": version, "series": {name: shipped(c) for name, c in curves.items()}}
    return Response(dumped(body), media_type="application/json")


@router.get("/series/export", response_class=Response, responses=responses(401, 404, 422))
def export_series(
    run_id: RunId,
    engine: Database,
    names: Names = "",
    format: Annotated[str, Query(description="`json`, `csv`, `parquet` or `tensorboard`.")] = "csv",
) -> InParts:
    """A file with every recorded point, one a line: metric, step, wall_time, value. Nothing is thinned.

    `tensorboard` is an events file, whose values have single precision.
    """
    asked = items_of(names) or None
    with reading_scope(engine) as session:
        runs.check_exists(session, run_id)
        names_asked, parsed = _sorted_out(session, run_id, asked)
    return InParts(run_exports.curves(engine, run_id, names_asked, format, parsed))


@router.post(
    "/metrics",
    response_model=Written,
    responses=responses(401, 404, 409, 413, 422),
    openapi_extra=json_body(
        {"$ref": "#/components/schemas/MetricsBody"},
        three_steps={"step": [0, 1, 2], "values": {"loss": [0.9, 0.7, "NaN"], "accuracy": [0.1, None, 0.3]}},
    ),
)
@needs(LOG)
@asks_again
@repeated_keys.checked_inside
async def log_metrics(run_id: RunId, request: Request, body: RawBody) -> Response:
    """Log points of an external run. Idempotent: the same run, name and step is written over.

    This is a heartbeat, too: a run that was lost is running again.
    """
    parse = partial(_call, run_id, body, request.scope.get(auth.REMEMBERED, ""))
    call = await run_sync(parse) if len(body) > repeated_keys.LONG else parse()
    version = None if call is None else await request.app.state.intake.add(call)
    if call is None or version is None:
        written = await run_sync(_log_alone, request, run_id, body)
    else:
        POINTS.inc(call.addition.points)
        written = Written(version=version, steps=call.steps)
    return Response(dumped(written.model_dump()), media_type="application/json")


def tell(compactor: Compactor, versions: dict[str, list[int]]) -> None:
    """Points of these runs were written, which got these versions."""
    for run_id, reached in versions.items():
        for version in reached:
            compactor.note(run_id, version)
    notify.logged(*versions)


def shipped(curve: Curve) -> dict[str, Any]:
    """A curve as `dumped` takes it."""
    return {
        "step": curve.steps,
        "value": curve.values,
        "wall_time": curve.wall_times,
        "points": curve.total,
        "nan_steps": curve.nan_steps,
        **({"undefined": curve.undefined} if curve.undefined else {}),
    }


def _call(run_id: str, body: bytes, credential: str) -> Call | None:
    """What a body asks to log; None if anything about it is not as it should be."""
    frame = plain_frame(body)
    if frame is None:
        return None
    try:
        addition = Addition.of(run_id, frame)
    except InvalidInput:
        return None
    return Call(addition, max(frame.steps, default=0), len(frame.steps), credential)


def _log_alone(request: Request, run_id: str, body: bytes) -> Written:
    """Log points in a transaction of their own: whatever is not only points at the end of known series, or is
    wrong and gets its refusal here."""
    engine, compactor = request.app.state.engine, request.app.state.compactor
    if auth.REMEMBERED in request.scope:
        auth.check(request, engine, LOG)
    repeated_keys.refuse(body)
    frame = _frame(body)
    with session_scope(engine) as session:
        external_runs.check_logs_here(session, run_id)
        version = series.append(session, run_id, frame, compacts=False)
        external_runs.hear(session, run_id, step=max(frame.steps, default=0))
    POINTS.inc(sum(value is not None for column in frame.values.values() for value in column))
    tell(compactor, {run_id: [version]})
    return Written(version=version, steps=len(frame.steps))


def _frame(body: bytes) -> MetricFrame:
    try:
        parsed = MetricsBody.model_validate_json(body or b"{}")
    except ValidationError as error:
        raise _refused(*problems(error.errors(include_url=False))) from error
    times = [time.time()] * len(parsed.step) if parsed.wall_time is None else parsed.wall_time
    values = {name: numbers(column) for name, column in parsed.values.items()}
    return MetricFrame(parsed.step, times, values)


def _refused(*found: FieldProblem) -> InvalidInput:
    return InvalidInput("The metrics were not written.", problems=found)


def _sorted_out(
    session: Session, run_id: str, asked: list[str] | None
) -> tuple[list[str] | None, dict[str, Expression]]:
    """What was asked for as names of metrics (None: all), and expressions; NotFound, InvalidInput."""
    if asked is None:
        return None, {}
    known = series.names(session, run_id)
    names, parsed = expressions.sorted_out(asked, known, f"Run {run_id} has no metric")
    for name in names:
        if name not in known and name not in metrics.NAMES:  # which the run may record yet
            hint = f"{did_you_mean(name, known)} It has {first_of(known, MOST_NAMED) or 'none yet'}.".lstrip()
            raise NotFound(f"Run {run_id} has no metric {name!r}.", hint)
    return names, parsed
