"""/api/v1/runs/{id}/provenance: which code, packages and machine a run was computed with; and its config."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Request, Response
from pydantic import Field

from backend.db.session import reading_scope, session_scope
from backend.domain.provenance import Provenance
from backend.kit.errors import NotFound
from backend.kit.exports.table_files import File
from backend.kit.fast_json import dumped
from backend.kit.model import Model
from backend.lifecycle import external_runs
from backend.lifecycle import service as runs
from backend.run_page.reproduce import Start, recipe, starts_of
from backend.runs import provenance
from backend.web.deps import Database, RunId, attached
from backend.web.errors import responses
from backend.web.routing import EDITOR, LOG, VIEWER, Router, needs

router = Router(reads=VIEWER, writes=EDITOR, prefix="/runs/{run_id}", tags=["runs"])
Attempt = Annotated[int, Path(ge=0, le=10_000, description="Number of the start; 0: of an external run.")]
MAX_CHANGES = 4 * 2**20  # characters of a diff in a request


class StartView(Provenance):
    """What one start of a run was computed with."""

    attempt: int = Field(description="1 for the first start; 0: as the script of an external run said.")
    packages_sha256: str = Field(description="Over all of `packages`; empty: none is known.")
    hidden: int = Field(description="Secrets taken out of the uncommitted changes.")
    cut: bool = Field(description="Of the uncommitted changes only the beginning is kept.")


class ProvenanceView(Model):
    """What a run was computed with, and how to compute it again."""

    starts: list[StartView] = Field(description="Oldest first.")
    commands: list[str] = Field(
        description="Compute the run again, in an empty folder. Empty for an external run."
    )
    notes: list[str] = Field(description="What else has to hold for the same numbers.")


class Told(Provenance):
    """What the script of an external run is computed with."""

    changes: str = Field(
        "",
        max_length=MAX_CHANGES,
        description="Diff of what was not committed, as git writes it. Passwords, tokens and keys in it are "
        "hidden, and its first 256 KiB kept; `diff` is made from it.",
    )


@router.get("/provenance", responses=responses(401, 404))
def read_provenance(run_id: RunId, engine: Database, request: Request) -> ProvenanceView:
    """Code, packages, machine and task sets of each start of a run, and the commands that compute it again.

    Empty for a run that has not started, and for one older than these records.
    """
    with reading_scope(engine) as session:
        run = runs.get(session, run_id)
        starts = starts_of(session, run_id)
    again = recipe(run, starts, str(request.base_url))
    return ProvenanceView(
        starts=[_view(start) for start in starts],
        commands=list(again.commands) if again else [],
        notes=list(again.notes) if again else [],
    )


@router.get(
    "/provenance/{attempt}/diff",
    response_class=Response,
    responses={
        200: {"content": {"text/x-diff": {}}, "description": "A diff; empty: none."},
        **responses(401, 404),
    },
)
def read_diff(run_id: RunId, attempt: Attempt, engine: Database) -> Response:
    """What was not committed when a run started, for `git apply`."""
    with reading_scope(engine) as session:
        runs.check_exists(session, run_id)
        row = provenance.of_run(session, run_id).get(attempt)
        if row is None:
            raise NotFound(
                f"Run {run_id} has no record of start {attempt}.",
                "GET /api/v1/runs/{id}/provenance lists those it has.",
            )
        text = provenance.diff_of(row)
    return attached(File(f"{run_id}-{attempt}.diff", "text/x-diff", text.encode()))


@router.put("/provenance", responses=responses(401, 404, 409, 413, 422))
@needs(LOG)
def tell_provenance(run_id: RunId, body: Told, engine: Database) -> StartView:
    """Say what the script of an external run is computed with; what was said before is replaced."""
    with session_scope(engine) as session:
        external_runs.check_logs_here(session, run_id)
        found = Provenance.model_validate(body.model_dump(exclude={"changes"}))
        provenance.record(session, run_id, 0, found, body.changes)
        (start,) = (start for start in starts_of(session, run_id) if start.attempt == 0)
    return _view(start)


@router.get(
    "/config",
    response_class=Response,
    responses={
        200: {"content": {"application/json": {}}, "description": "The config."},
        **responses(401, 404),
    },
)
def read_config(run_id: RunId, engine: Database) -> Response:
    """A run's config as a file, which `etrm train` and POST /api/v1/runs take."""
    with reading_scope(engine) as session:
        config: dict[str, Any] = runs.get(session, run_id).config
    return attached(File(f"{run_id}.json", "application/json", dumped(config)))


def _view(start: Start) -> StartView:
    return StartView(
        **start.record.model_dump(),
        attempt=start.attempt,
        packages_sha256=start.record.lock,
        hidden=start.hidden,
        cut=start.is_cut,
    )
