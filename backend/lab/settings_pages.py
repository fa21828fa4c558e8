"""`/settings`: one's sessions, people and roles, tokens, share links, notifications, storage."""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi.responses import HTMLResponse

from backend.alerts import webhook
from backend.dashboards import service as dashboards
from backend.db.session import reading_scope
from backend.domain.people import Role, Scope
from backend.lab import storage
from backend.lab.contexts import SettingsPage
from backend.people import service as accounts
from backend.people import sessions
from backend.subscriptions.contexts import notifications
from backend.web.deps import Configured, Database
from backend.web.rendering import render
from backend.web.routing import VIEWER, Router
from backend.web.visitor import who

router = Router(reads=VIEWER, include_in_schema=False)


@router.get("/settings")
def settings_page(engine: Database, settings: Configured) -> HTMLResponse:
    """What an admin can change; others see who they are and what takes room."""
    identity = who.get()
    is_admin = identity.role.covers(Role.ADMIN)
    with reading_scope(engine) as session:
        context = SettingsPage(
            me=identity,
            is_admin=is_admin,
            sessions=sessions.own(session, identity),
            people=accounts.people(session) if is_admin else (),
            lab_limits={"running": settings.limit_running, "queued": settings.limit_queued},
            tokens=accounts.tokens(session) if is_admin else (),
            storage=storage.read(session, settings),
            notifications=notifications(session, identity, settings),
            webhook=urlsplit(settings.webhook_url or "").hostname or "",
            deliveries=webhook.state(session),
            roles=tuple(Role),
            scopes=tuple(Scope),
            shares=dashboards.live_shares(session),
            can_revoke=identity.role.covers(Role.EDITOR),
        )
    return render(context)
