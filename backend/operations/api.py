"""/metrics: what Prometheus scrapes. For viewers, so a scraper sends a token of scope `read`."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from fastapi.responses import Response

from backend.operations import figures
from backend.web.deps import Configured, Database
from backend.web.errors import responses
from backend.web.live.hub import Hub
from backend.web.routing import VIEWER, Router

router = Router(reads=VIEWER, tags=["health"])


async def _open_streams(request: Request) -> int:
    """On the event loop, which the hub belongs to."""
    live: Hub = request.app.state.live
    return live.open_streams


class Figures(Response):
    """Prometheus' text format."""

    media_type = "text/plain"


@router.get("/metrics", response_class=Figures, responses=responses(401))
def read_metrics(
    engine: Database, settings: Configured, streams: Annotated[int, Depends(_open_streams)]
) -> Response:
    """Requests, runs by status, workers, their devices, points, live connections and memory."""
    return Response(figures.page(engine, settings, streams), headers={"Content-Type": figures.CONTENT_TYPE})
