"""/healthz: whether this process lives. /readyz: whether the parts it works with are well.

Both are open to everybody, so they say no more than that.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Literal

from fastapi import Request, Response
from pydantic import Field

from backend.kit.errors import Unavailable
from backend.kit.model import Model
from backend.lab.readiness import Parts
from backend.web.routing import OPEN, Router

router = Router(reads=OPEN, tags=["health"])
NEEDED = ("database", "schema_version")  # without them no page can be shown


class Alive(Model):
    """The web server answers."""

    status: Literal["ok"] = "ok"


class Part(Model):
    """One part of the lab."""

    ok: bool
    message: str = Field("", description="What is wrong and what that means; empty if nothing is.")


class Readiness(Model):
    """ok: every part is well. degraded: pages work, but queued runs wait or cannot save (no broker, no
    worker, or no artifacts folder). down: no database, or one of another version."""

    status: Literal["ok", "degraded", "down"]
    database: Part
    schema_version: Part
    broker: Part
    artifacts: Part
    workers: Part


@router.get("/healthz")
async def read_health() -> Alive:
    """Whether the process is alive. It asks no other part, so it answers at once whatever state they are in:
    for whoever would restart the web server."""
    return Alive()


@router.get("/readyz", responses={503: {"model": Readiness, "description": "The database is not usable"}})
async def read_readiness(request: Request, response: Response) -> Readiness:
    """Check database, schema, broker, artifacts folder and workers, all within two seconds: for whoever
    waits until the lab can be used."""
    parts: Parts = request.app.state.parts
    found = await parts.ask()
    status: Literal["ok", "degraded", "down"] = "degraded" if any(found.values()) else "ok"
    if any(found[name] for name in NEEDED):
        status = "down"
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
        response.headers["Retry-After"] = str(Unavailable.retry_after)
    return Readiness(
        status=status, **{name: Part(ok=not fault, message=fault) for name, fault in found.items()}
    )
