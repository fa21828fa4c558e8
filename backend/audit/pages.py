"""`/settings/audit`: who did what, for admins."""

from __future__ import annotations

from fastapi.responses import HTMLResponse

from backend.audit import service as audit
from backend.audit.actions import Action
from backend.audit.contexts import AuditPage, query
from backend.db.session import reading_scope
from backend.web.deps import Database
from backend.web.rendering import render
from backend.web.routing import ADMIN, Router

router = Router(reads=ADMIN, include_in_schema=False)

PAGE = 100  # entries


@router.get("/settings/audit")
def audit_page(engine: Database, person: str = "", action: str = "", cursor: str = "") -> HTMLResponse:
    """Entries, newest first, a page at a time."""
    with reading_scope(engine) as session:
        found = audit.find(session, person, action, cursor, PAGE)
        people = audit.people(session)
    more = query(person=person, action=action, cursor=found.next_cursor or "")
    context = AuditPage(
        entries=found.entries,
        people=people,
        actions=tuple(Action),
        person=person,
        action=action,
        chosen=query(person=person, action=action),
        is_first=not cursor,
        older=f"/settings/audit?{more}" if found.next_cursor else "",
    )
    return render(context)
