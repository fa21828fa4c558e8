"""/api/v1/runs: make, list, cancel, clone, resume, edit and delete runs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Header, Query, Response
from pydantic import Field

from backend.db.session import reading_scope, session_scope
from backend.domain.config.problems import parse_json
from backend.kit.filters.tree import Value
from backend.kit.format import sayable
from backend.kit.lists import items_of
from backend.kit.model import Model
from backend.lifecycle import service as runs
from backend.lifecycle import tags as run_tags
from backend.lifecycle.edits import Base
from backend.queue import dispatch
from backend.run_view import health
from backend.run_view.health import HealthView
from backend.run_view.views import RunView
from backend.runs_table import exports as run_exports
from backend.runs_table import saved_views
from backend.runs_table import search as run_search
from backend.runs_table.search import HEADLINES, MAX_LIMIT, NEWEST_FIRST, STORED
from backend.runs_table.state import RICH
from backend.web.deps import Configured, Database, InParts, RawBody, RunId, announce, json_body
from backend.web.errors import responses
from backend.web.inputs import CONFIG, Input
from backend.web.routing import EDITOR, VIEWER, Router

router = Router(reads=VIEWER, writes=EDITOR, prefix="/runs", tags=["runs"])
PROJECT = "What the run belongs to: any short name; empty: nothing."


Cell = bool | int | float | str | list[str] | None


class RunList(Model):
    """A page of runs; pass `next_cursor` as `cursor` for the next one."""

    runs: list[RunView]
    next_cursor: str | None
    notes: list[str] = Field(
        description="What may not be meant: names in the query that no run has recorded, which match nothing "
        "and sort nothing; words that are looked for in names; shares compared with more than 1."
    )
    columns: list[str] = Field(description="Names asked for in `columns`, and those of the view.")
    values: dict[str, list[Cell]] = Field(
        description="Run -> its value of each of `columns`; null where it has none, and text where JSON has "
        "no such number: NaN, Infinity, -Infinity."
    )


class NameView(Model):
    """A name of the filter language."""

    name: str = Field(examples=["accuracy/token"])
    kind: Literal["run", "metric", "config"]
    title: str = Field(description="Of a metric that trainings record; empty for others.")
    values: list[str] = Field(description="What it can be, where that is one of a few texts.")


class CloneOf(Input):
    """How the clone differs from its parent: nested, or by dotted paths."""

    overrides: dict[str, Any] = Field(default={}, examples=[{"seed": 1, "training": {"steps": 300}}])
    project: str | None = Field(None, description="Project of the clone; null: that of the parent.")


class Seen(Input):
    """Fields of a run as they were when somebody began to change them."""

    name: str | None = None
    tags: list[str] | None = None
    notes: str | None = None
    archived: bool | None = None
    project: str | None = None


class Edit(Input):
    """What people write about a run; what is left out stays."""

    name: str | None = None
    tags: list[str] | None = Field(None, examples=[["baseline", "keep"]])
    notes: str | None = None
    archived: bool | None = Field(None, description="Archived runs are hidden from lists by default.")
    project: str | None = Field(None, description=PROJECT, examples=["arc-2"])
    seen: Seen | None = Field(
        None,
        description="The fields as you saw them: 409, with both texts, where one has changed since.",
        examples=[{"notes": "what stood there"}],
    )


class Tagging(Input):
    """Tags to add to and to remove from runs; other tags stay."""

    runs: list[str] = Field(description="Ids.", examples=[["k3v9x0q2ab"]])
    add: list[str] = Field(default=[], examples=[["baseline"]])
    remove: list[str] = Field(default=[])


class Tagged(Model):
    """What came of it."""

    changed: list[str] = Field(description="Ids of the runs whose tags changed.")


class Archiving(Input):
    """Runs to put away, or to take out of the archive."""

    runs: list[str] = Field(description="Ids.", examples=[["k3v9x0q2ab"]])
    archived: bool = True


class Archived(Model):
    """What came of it."""

    runs: list[str] = Field(description="Ids.")


@router.post(
    "",
    status_code=201,
    response_model=RunView,
    responses=responses(401, 409, 413, 422),
    openapi_extra=json_body(CONFIG, preset={"preset": "quick", "seed": 1}),
)
def create_run(
    body: RawBody,
    response: Response,
    engine: Database,
    project: Annotated[str, Query(description=PROJECT, max_length=2000)] = "",
) -> RunView:
    """Queue a run. The body is an experiment config; with `preset`, its other keys change that preset."""
    config = parse_json(body)
    with session_scope(engine) as session:
        run = runs.create(session, config, project=project)
    return _queued(run, response)


@router.get("", responses=responses(401, 422))
def list_runs(
    engine: Database,
    filter: Annotated[
        str, Query(max_length=2000, examples=['encoder == "deterministic" and pass1 > 10%'])
    ] = "",
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 50,
    cursor: str | None = None,
    status: str | None = None,
    sort: Annotated[
        str,
        Query(
            description="A name of the filter language; -name: descending. Default: the view's, or -created."
        ),
    ] = "",
    metrics: Annotated[
        str, Query(description="Names of the metrics to include, separated by commas.")
    ] = ",".join(HEADLINES),
    view: Annotated[
        str, Query(max_length=200, description="Name of a saved view: its filter, order and columns.")
    ] = "",
    columns: Annotated[
        str,
        Query(
            max_length=4000, description="Names of the filter language whose values to include, by commas."
        ),
    ] = "",
) -> RunList:
    """List runs that match a filter, newest first unless `sort` says otherwise.

    Archived runs are left out unless the filter says something about `archived`.
    """
    names = items_of(metrics)
    with reading_scope(engine) as session:
        kept = saved_views.read(session, view) if view else saved_views.Parts()
        wanted = f"({kept.filter}) and ({filter})" if kept.filter and filter else kept.filter or filter
        order = sort or kept.sort or NEWEST_FIRST
        more = [*(each for each in kept.columns if each not in RICH), *items_of(columns, columns=True)]
        lenient = STORED if view else ()
        page = run_search.find(
            session, wanted, limit, cursor, status=status, sort=order, metrics=names, lenient=lenient
        )
        ids = [run.id for run in page.runs] if more else []
        values = run_search.values_of(session, ids, more, lenient)
        notes = run_search.notes_on(session, wanted, [order.removeprefix("-"), *more])
    return RunList(
        runs=page.runs,
        next_cursor=page.next_cursor,
        notes=notes,
        columns=more,
        values={run_id: [_cell(found[name]) for name in more] for run_id, found in values.items()},
    )


@router.get("/export", response_class=Response, responses=responses(401, 422))
def export_runs(
    engine: Database,
    filter: Annotated[str, Query(max_length=2000)] = "",
    columns: Annotated[
        str,
        Query(
            description="More columns: names of the filter language, separated by commas.", max_length=4000
        ),
    ] = "",
    sort: Annotated[str, Query(description="As in `GET /runs`.")] = NEWEST_FIRST,
    format: Annotated[str, Query(description="`json`, `csv` or `parquet`.")] = "csv",
) -> Response:
    """A file with every run that matches: facts, pass@k and how it was measured, the columns asked for."""
    asked = items_of(columns, columns=True)
    return InParts(run_exports.table(engine, filter, asked, sort, format))


@router.get("/names", responses=responses(401))
def list_names(engine: Database) -> list[NameView]:
    """Every name that a filter, an order or a column of runs may use."""
    with reading_scope(engine) as session:
        return [
            NameView(name=each.name, kind=each.kind, title=each.title, values=list(each.values))
            for each in run_search.known_names(session)
        ]


@router.get("/{run_id}", responses=responses(401, 404))
def read_run(run_id: RunId, engine: Database, response: Response) -> RunView:
    """One run: status and cause, progress, config, results, newest metrics, alarms.

    Its `ETag` is the version of name, tags and notes: send it as `If-Match` with a change.
    """
    with reading_scope(engine) as session:
        response.headers["ETag"] = f'"{runs.text_version(session, run_id)}"'
        return runs.get(session, run_id)


@router.get("/{run_id}/health", responses=responses(401, 404))
def read_health(run_id: RunId, engine: Database) -> HealthView:
    """The verdicts on the run's learning and on its encoder: each measure of the encoder with its number, its
    threshold and what it means."""
    with reading_scope(engine) as session:
        return health.view(runs.get(session, run_id))


@router.post("/tags", responses=responses(401, 404, 422))
def tag_runs(body: Tagging, engine: Database) -> Tagged:
    """Add tags to many runs and remove others, all or none."""
    with session_scope(engine) as session:
        changed = run_tags.change(session, body.runs, body.add, body.remove)
    announce(*changed)
    return Tagged(changed=changed)


@router.post("/archived", responses=responses(401, 404, 422))
def archive_runs(body: Archiving, engine: Database) -> Archived:
    """Put many runs away, or take them out of the archive, all or none."""
    with session_scope(engine) as session:
        for run_id in sorted(set(body.runs)):  # in one order: two that overlap must not wait for each other
            runs.edit(session, run_id, archived=body.archived)
    announce(*body.runs)
    return Archived(runs=body.runs)


@router.post("/{run_id}/cancel", responses=responses(401, 404, 409))
def cancel_run(run_id: RunId, engine: Database) -> RunView:
    """Stop a run. It is `cancelled` only once its process and its memory are gone."""
    with session_scope(engine) as session:
        run = runs.request_cancel(session, run_id)
    announce(run_id)
    return run


@router.post("/{run_id}/clone", status_code=201, responses=responses(401, 404, 409, 422))
def clone_run(run_id: RunId, response: Response, engine: Database, body: CloneOf | None = None) -> RunView:
    """Queue a new run with this run's config, changed by `overrides`."""
    asked = body or CloneOf()
    with session_scope(engine) as session:
        run = runs.clone(session, run_id, asked.overrides, asked.project)
    return _queued(run, response)


@router.post("/{run_id}/resume", responses=responses(401, 404, 409))
def resume_run(run_id: RunId, engine: Database) -> RunView:
    """Queue a failed or cancelled run again; `status_cause` says from which step it resumes."""
    with session_scope(engine) as session:
        run = runs.resume(session, run_id)
    dispatch.send(run_id)
    announce(run_id)
    return run


@router.patch("/{run_id}", responses=responses(401, 404, 409, 422))
def edit_run(
    run_id: RunId,
    body: Edit,
    engine: Database,
    response: Response,
    if_match: Annotated[
        str, Header(max_length=200, description="The `ETag` of the run as you saw it: 409 if it has changed.")
    ] = "",
) -> RunView:
    """Change name, tags, notes or project; archive, or take out of the archive.

    With `If-Match` or `seen`, what somebody else wrote meanwhile is not written over: 409 has both texts.
    """
    base = Base(body.seen.model_dump(exclude_none=True) if body.seen else {}, if_match.strip('W/"* '))
    with session_scope(engine) as session:
        run = runs.edit(session, run_id, body.name, body.tags, body.notes, body.archived, base, body.project)
        response.headers["ETag"] = f'"{runs.text_version(session, run_id)}"'
    announce(run_id)
    return run


@router.delete("/{run_id}", status_code=204, responses=responses(401, 404, 409))
def delete_run(run_id: RunId, engine: Database, settings: Configured) -> None:
    """Delete a run that is over, with its curves, predictions, log and files."""
    with session_scope(engine) as session:
        runs.delete(session, run_id)
    runs.remove_artifacts(settings, run_id)
    announce(run_id)


def _cell(value: Value) -> Cell:
    if isinstance(value, tuple):
        return list(map(str, value))
    return sayable(value) if isinstance(value, float) else value


def _queued(run: RunView, response: Response) -> RunView:
    dispatch.send(run.id)
    announce(run.id)
    response.headers["Location"] = f"/api/v1/runs/{run.id}"
    return run
