"""Dashboards: saved pages of panels, shared by links that can be taken back. Nothing here commits."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from pydantic import Field
from sqlalchemy.orm import Session

from backend.audit import service as audit
from backend.audit.actions import Action, Subject
from backend.dashboards import queries as rows
from backend.dashboards.conflicts import conflict
from backend.dashboards.tables import Dashboard, DashboardShare
from backend.domain.dashboards import AnyPanel, Content, Source, encoder_variants, parse_content
from backend.domain.people import OWNER
from backend.keeping import service as keeping
from backend.kit.errors import NotFound
from backend.kit.model import Model
from backend.kit.problems import invalid, unknown_id
from backend.kit.text import trimmed
from backend.lifecycle import service as runs
from backend.run_view.views import RunView
from backend.runs_table import search as run_search

MAX_NAME = 200
NOTED_EVERY = 60.0  # seconds between two notes that a link was opened
READY_MADE = "encoder-variants"  # there from the start; saved like any other once somebody changes it
READY_MADE_NAME = "Encoder variants"


class DashboardView(Model):
    """A dashboard. `version` goes with a change of it: who changes an old one is told."""

    slug: str = Field(examples=["encoder-variants"])
    name: str
    version: int
    content: Content
    created_at: float
    updated_at: float

    def panel(self, panel_id: str) -> AnyPanel:
        """One of its panels; NotFound if there is no such."""
        panel = next((each for each in self.content.panels if each.id == panel_id), None)
        if panel is None:
            raise NotFound(f"This dashboard has no panel {panel_id!r}.", "Reload the page.")
        return panel


@dataclass(frozen=True)
class ShareView:
    """A share link, without its secret."""

    id: int
    made_by: str  # "" where that was not noted
    created_at: float
    last_opened_at: float | None  # to the minute
    revoked_at: float | None


@dataclass(frozen=True)
class LiveShare:
    """A link that opens something now, and what."""

    link: ShareView
    slug: str
    name: str  # of the dashboard


def find(session: Session) -> list[DashboardView]:
    """Every dashboard, the last changed first, the ready-made one among them."""
    found = [_view(row) for row in rows.all_of(session)]
    if all(each.slug != READY_MADE for each in found):
        found.append(_ready_made())
    return found


def get(session: Session, slug: str) -> DashboardView:
    """The dashboard at an address; NotFound suggests the nearest."""
    row = rows.called(session, slug)
    if row is not None:
        return _view(row)
    if slug == READY_MADE:
        return _ready_made()
    raise unknown_id("dashboard", slug, [*rows.slugs(session), READY_MADE], "See /dashboards.")


def create(session: Session, name: str, content: Any = None) -> DashboardView:
    """A new dashboard; its address is made from its name."""
    now = time.time()
    checked, parsed = _checked_name(name), parse_content(content or {})
    run_search.check_filter(session, parsed.source.filter)
    row = Dashboard(
        slug=_free_slug(session, checked),
        name=checked,
        content=parsed.model_dump(mode="json"),
        version=1,
        created_at=now,
        updated_at=now,
    )
    rows.add(session, row)
    _note_runs(session, row.id, checked, parsed)
    audit.note(session, Action.SAVED, _subject(row), "created")
    return _view(row)


def save(session: Session, slug: str, version: int, name: str, content: Any) -> DashboardView:
    """Change a dashboard; Conflict if it was changed since `version`."""
    checked, parsed = _checked_name(name), parse_content(content)
    before = _stored(session, slug)
    if parsed.source.filter != parse_content(before.content).source.filter:
        run_search.check_filter(session, parsed.source.filter)
    columns = {"name": checked, "content": parsed.model_dump(mode="json"), "updated_at": time.time()}
    expected = before.version if version == 0 and before.version == 1 else version
    if not rows.change(session, slug, expected, **columns):
        now = get(session, slug)
        versions = f"version {now.version}, yours is {version}"
        raise conflict(slug, (now.name, now.content), (checked, parsed), versions)
    _note_runs(session, before.id, checked, parsed)
    view = get(session, slug)
    audit.note(session, Action.SAVED, _subject(view), f"version {view.version}")
    return view


def delete(session: Session, slug: str) -> None:
    """Delete a dashboard with its share links. The ready-made one is then as it was at first."""
    view = get(session, slug)
    rows.remove(session, slug)
    audit.note(session, Action.DELETED, _subject(view))


def duplicate(session: Session, slug: str, name: str = "") -> DashboardView:
    """Another dashboard with the same panels."""
    before = get(session, slug)
    return create(session, name or f"{before.name}, copy", before.content.model_dump(mode="json"))


def share(session: Session, slug: str, made_by: str = OWNER.name) -> tuple[ShareView, str]:
    """A new link and its secret, shown only once: whoever has it reads this dashboard and nothing else."""
    secret = secrets.token_urlsafe(24)
    dashboard = _stored(session, slug)
    row = DashboardShare(
        dashboard_id=dashboard.id,
        token_hash=_hash(secret),
        made_by=made_by,
        created_at=time.time(),
        revoked_at=None,
    )
    view = _share_view(rows.add_share(session, row))
    audit.note(session, Action.SHARED, _subject(dashboard), f"link {view.id}")
    return view, secret


def shares(session: Session, slug: str) -> list[ShareView]:
    """Its links, newest first, revoked ones included."""
    get(session, slug)
    row = rows.called(session, slug)
    return [_share_view(each) for each in rows.shares(session, row.id)] if row else []


def live_shares(session: Session) -> list[LiveShare]:
    """Every link of every dashboard that opens something, newest first."""
    return [LiveShare(_share_view(link), row.slug, row.name) for link, row in rows.live_shares(session)]


def note_opened(session: Session, secret: str) -> None:
    """Remember that a link was opened just now."""
    now = time.time()
    rows.note_opened(session, _hash(secret), now, now - NOTED_EVERY)


def revoke(session: Session, slug: str, share_id: int) -> ShareView:
    """Revoke the link."""
    row = rows.called(session, slug)
    found = (
        next((each for each in rows.shares(session, row.id) if each.id == share_id), None) if row else None
    )
    if row is None or found is None:
        raise NotFound(f"Dashboard {slug!r} has no share link {share_id}.")
    if found.revoked_at is None:
        found.revoked_at = time.time()
        audit.note(session, Action.SHARE_REVOKED, _subject(row), f"link {share_id}")
    session.flush()
    return _share_view(found)


def opened_by(session: Session, secret: str) -> DashboardView:
    """What a share link shows; NotFound for one that is unknown or revoked."""
    row = rows.opened_by(session, _hash(secret))
    if row is None:
        raise NotFound("This link is invalid or was revoked.", "Ask the person who sent it for a new one.")
    return _view(row)


def runs_of(session: Session, source: Source) -> list[RunView]:
    """The runs that a dashboard is about; named ones that were deleted are left out."""
    if source.runs:
        return runs.existing(session, source.runs)
    page = run_search.find(session, source.filter, source.latest, metrics=(), lenient=("filter",))
    return runs.existing(session, [run.id for run in page.runs])


def _note_runs(session: Session, dashboard_id: int, name: str, content: Content) -> None:
    """The runs it names need the checkpoints whose scores it shows; those that a filter finds do not."""
    shown = content.scores_shown
    named = () if shown == "none" else content.source.runs
    keeping.note_dashboard(session, dashboard_id, name, named, shown == "every")


def _stored(session: Session, slug: str) -> Dashboard:
    """The row; the ready-made dashboard gets one when it is first needed."""
    view = get(session, slug)
    row = rows.called(session, slug)
    if row is None:
        now = time.time()
        row = Dashboard(
            slug=slug,
            name=view.name,
            content=view.content.model_dump(mode="json"),
            version=1,
            created_at=now,
            updated_at=now,
        )
        rows.add(session, row)
    return row


def _ready_made() -> DashboardView:
    return DashboardView(
        slug=READY_MADE,
        name=READY_MADE_NAME,
        version=0,
        content=encoder_variants(),
        created_at=0.0,
        updated_at=0.0,
    )


def _free_slug(session: Session, name: str) -> str:
    base = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60] or "dashboard"
    taken: Sequence[str] = [*rows.slugs(session), READY_MADE]
    number = 1
    slug = base
    while slug in taken:
        number += 1
        slug = f"{base}-{number}"
    return slug


def _checked_name(name: str) -> str:
    checked = trimmed(name)
    if not 1 <= len(checked) <= MAX_NAME:
        raise invalid("The dashboard was not saved.", "name", f"must have 1 to {MAX_NAME} characters.")
    return checked


def _view(row: Dashboard) -> DashboardView:
    return DashboardView(
        slug=row.slug,
        name=row.name,
        version=row.version,
        content=parse_content(row.content),
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _subject(dashboard: Dashboard | DashboardView) -> Subject:
    return Subject("dashboard", dashboard.slug, dashboard.name)


def _share_view(row: DashboardShare) -> ShareView:
    return ShareView(row.id, row.made_by, row.created_at, row.last_opened_at, row.revoked_at)


def _hash(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()
