"""/api/v1/runs/{id}/heartbeat: the script of an external run says that it is alive."""

from __future__ import annotations

from pydantic import Field

from backend.db.session import session_scope
from backend.kit.model import Model
from backend.lifecycle import service as runs
from backend.lifecycle.heartbeat import MAX_SECONDS, MIN_SECONDS
from backend.web import notify
from backend.web.deps import Database, RunId
from backend.web.errors import responses
from backend.web.inputs import Input
from backend.web.routing import EDITOR, LOG, VIEWER, Router, needs

router = Router(reads=VIEWER, writes=EDITOR, prefix="/runs/{run_id}", tags=["runs"])


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


@router.post("/heartbeat", responses=responses(401, 404, 409, 422))
@needs(LOG)
def beat(run_id: RunId, engine: Database, body: Beat | None = None) -> Heard:
    """Say that the script of an external run is alive. A run that was lost is running again.

    409: the run is over, cancelled by somebody, say; the script should stop.
    """
    with session_scope(engine) as session:
        due = runs.hear(session, run_id, body.next_within if body else None)
    notify.logged(run_id)
    return Heard(due_at=due)
