"""/api/v1/shares: every link by which somebody without a login looks in."""

from __future__ import annotations

from dataclasses import asdict

from pydantic import Field

from backend.dashboards import service as dashboards
from backend.dashboards.api import Share
from backend.db.session import reading_scope
from backend.web.deps import Database
from backend.web.errors import responses
from backend.web.routing import VIEWER, Router

router = Router(reads=VIEWER, prefix="/shares", tags=["dashboards"], responses=responses(401))


class LiveShareView(Share):
    """A link and the dashboard that it opens; `DELETE /dashboards/{slug}/shares/{id}` revokes it."""

    slug: str
    name: str = Field(description="Of the dashboard.")


@router.get("")
def list_live_shares(engine: Database) -> list[LiveShareView]:
    """Every share link of every dashboard that is not revoked, newest first, without its secret."""
    with reading_scope(engine) as session:
        found = dashboards.live_shares(session)
    return [LiveShareView(**asdict(each.link), slug=each.slug, name=each.name) for each in found]
