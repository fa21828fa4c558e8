"""/healthz: whether the lab can work. Open to everybody, so it says no more than that."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Literal

from fastapi import Response
from pydantic import BaseModel
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from backend.db.session import reading_scope
from backend.kit.errors import Unavailable
from backend.web import notify
from backend.web.deps import Database
from backend.web.routing import OPEN, Router
from backend.workers import service as workers

router = Router(reads=OPEN, tags=["health"])
log = logging.getLogger(__name__)


class Health(BaseModel):
    """ok: everything answers. degraded: no broker or no worker, so queued runs wait. down: no database."""

    status: Literal["ok", "degraded", "down"]
    database: bool
    broker: bool
    workers: int


@router.get("/healthz", responses={503: {"model": Health, "description": "The database is not responding"}})
def read_health(response: Response, engine: Database) -> Health:
    """Check database and broker, and count the workers that are online."""
    alive = _workers_alive(engine)
    broker = notify.reachable()
    if alive is None:
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
        return Health(status="down", database=False, broker=broker, workers=0)
    status: Literal["ok", "degraded"] = "ok" if broker and alive else "degraded"
    return Health(status=status, database=True, broker=broker, workers=alive)


def _workers_alive(engine: Engine) -> int | None:
    try:
        with reading_scope(engine) as session:
            return sum(worker.alive for worker in workers.listed(session))
    except (Unavailable, SQLAlchemyError) as error:
        log.error("the database is not responding: %s", error)
        return None
