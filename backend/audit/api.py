"""/api/v1/audit: who did what."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Response
from pydantic import Field

from backend.audit import service as audit
from backend.db.session import reading_scope
from backend.kit.exports.table_files import Format
from backend.kit.model import Model
from backend.web.deps import Database, attached
from backend.web.errors import responses
from backend.web.routing import ADMIN, Router

router = Router(reads=ADMIN, prefix="/audit", tags=["audit"], responses=responses(401, 403, 422))

Person = Annotated[str, Query(max_length=audit.MAX_TEXT, description="Only of this person; empty for all.")]
Does = Annotated[str, Query(description="Only this action; empty for all.", examples=["launched"])]


class AuditEntryView(Model):
    """One action of one person."""

    id: int
    at: float = Field(description="Seconds since the Unix epoch.")
    person: str = Field(description="Their name then, also if they were removed since.")
    person_id: int | None = Field(description="null for the owner.")
    via: str = Field(description="browser, command line, or the token.", examples=["token ci"])
    action: str = Field(examples=["launched"])
    subject_kind: str = Field(examples=["run"])
    subject_id: str
    subject_name: str
    detail: str


class AuditPageView(Model):
    """Entries, newest first; pass `next_cursor` as `cursor` for those before them."""

    entries: list[AuditEntryView]
    next_cursor: str | None


@router.get("")
def list_audit(
    engine: Database,
    person: Person = "",
    action: Does = "",
    cursor: Annotated[str | None, Query(max_length=100)] = None,
    limit: Annotated[int, Query(ge=1, le=audit.MAX_LIMIT)] = 50,
) -> AuditPageView:
    """What people did, newest first: who, by which token or from where, to what. For admins."""
    with reading_scope(engine) as session:
        page = audit.find(session, person, action, cursor, limit)
    return AuditPageView(entries=[_view(each) for each in page.entries], next_cursor=page.next_cursor)


@router.get("/export", response_class=Response)
def export_audit(
    engine: Database,
    person: Person = "",
    action: Does = "",
    format: Annotated[Format, Query(description="Of the file.")] = "csv",
) -> Response:
    """The same as a file, whole. For admins."""
    with reading_scope(engine) as session:
        return attached(audit.export(session, person, action, format))


def _view(entry: audit.EntryView) -> AuditEntryView:
    return AuditEntryView(
        id=entry.id,
        at=entry.at,
        person=entry.person,
        person_id=entry.person_id,
        via=entry.via,
        action=entry.action,
        subject_kind=entry.subject.kind,
        subject_id=entry.subject.id,
        subject_name=entry.subject.name,
        detail=entry.detail,
    )
