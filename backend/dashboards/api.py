"""/api/v1/dashboards: saved pages of panels and their share links."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import Request
from pydantic import ConfigDict, Field

from backend.dashboards import service as dashboards
from backend.dashboards.service import DashboardView
from backend.db.session import reading_scope, session_scope
from backend.kit.model import Model
from backend.web.deps import Configured, Database, address_of, is_only_here
from backend.web.errors import responses
from backend.web.inputs import Input
from backend.web.routing import EDITOR, VIEWER, Router
from backend.web.visitor import who

router = Router(reads=VIEWER, writes=EDITOR, prefix="/dashboards", tags=["dashboards"])


class NewDashboard(Input):
    """A name, and what it shows; left out: nothing yet."""

    name: str
    content: Any = None


class ChangedDashboard(Input):
    """The whole dashboard as it is to be, and the version that was changed."""

    version: int = Field(ge=0)
    name: str
    content: Any


class CopyName(Input):
    """Name of the copy."""

    name: str = ""


class DashboardLine(Model):
    """A dashboard in a list."""

    slug: str
    name: str
    version: int
    panels: int
    updated_at: float


class Share(Model):
    """A share link, without its secret."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    made_by: str = Field(description="Empty if not recorded.")
    created_at: float
    last_opened_at: float | None = Field(description="To the minute; null if never opened.")
    revoked_at: float | None


class NewShare(Share):
    """A new share link; its address is shown this once."""

    url: str
    only_here: bool = Field(
        description="Only the lab's machine opens it: its address is a loopback one. Set ETRM_PUBLIC_URL."
    )


@router.get("", responses=responses(401))
def list_dashboards(engine: Database) -> list[DashboardLine]:
    """List the dashboards, the last changed first."""
    with reading_scope(engine) as session:
        found = dashboards.find(session)
    return [
        DashboardLine(
            slug=each.slug,
            name=each.name,
            version=each.version,
            panels=len(each.content.panels),
            updated_at=each.updated_at,
        )
        for each in found
    ]


@router.post("", status_code=201, responses=responses(401, 422))
def create_dashboard(body: NewDashboard, engine: Database) -> DashboardView:
    """Make a dashboard."""
    with session_scope(engine) as session:
        return dashboards.create(session, body.name, body.content)


@router.get("/{slug}", responses=responses(401, 404))
def read_dashboard(slug: str, engine: Database) -> DashboardView:
    """One dashboard."""
    with reading_scope(engine) as session:
        return dashboards.get(session, slug)


@router.put("/{slug}", responses=responses(401, 404, 409, 422))
def save_dashboard(slug: str, body: ChangedDashboard, engine: Database) -> DashboardView:
    """Change a dashboard; refused if somebody else changed it meanwhile."""
    with session_scope(engine) as session:
        return dashboards.save(session, slug, body.version, body.name, body.content)


@router.delete("/{slug}", status_code=204, responses=responses(401, 404))
def delete_dashboard(slug: str, engine: Database) -> None:
    """Delete a dashboard with its share links."""
    with session_scope(engine) as session:
        dashboards.delete(session, slug)


@router.post("/{slug}/duplicate", status_code=201, responses=responses(401, 404, 422))
def duplicate_dashboard(slug: str, body: CopyName, engine: Database) -> DashboardView:
    """Make another dashboard with the same panels."""
    with session_scope(engine) as session:
        return dashboards.duplicate(session, slug, body.name)


@router.get("/{slug}/shares", responses=responses(401, 404))
def list_shares(slug: str, engine: Database) -> list[Share]:
    """List the share links of a dashboard, without their secrets."""
    with reading_scope(engine) as session:
        found = dashboards.shares(session, slug)
    return [Share.model_validate(each) for each in found]


@router.post("/{slug}/shares", status_code=201, responses=responses(401, 404))
def share_dashboard(slug: str, request: Request, engine: Database, settings: Configured) -> NewShare:
    """Create a link that shows this dashboard, and nothing else, without a login."""
    with session_scope(engine) as session:
        made, secret = dashboards.share(session, slug, who.get().name)
    address = address_of(request, settings)
    return NewShare(**asdict(made), url=f"{address}/s/{secret}", only_here=is_only_here(address))


@router.delete("/{slug}/shares/{share_id}", responses=responses(401, 404))
def revoke_share(slug: str, share_id: int, engine: Database) -> Share:
    """Revoke a share link."""
    with session_scope(engine) as session:
        found = dashboards.revoke(session, slug, share_id)
    return Share.model_validate(found)
