"""The audit trail: who did what, by which token or from where. Nothing here commits.

An entry is written in the transaction of the change that it is about: no change without one, and none
without a change.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from backend.audit import queries as rows
from backend.audit.actions import Action, Subject
from backend.audit.tables import AuditEntry
from backend.db import clock
from backend.domain.people import Identity
from backend.kit import cursors
from backend.kit.errors import InvalidInput
from backend.kit.exports.table_files import File, Head, table_file
from backend.kit.problems import invalid_query, not_valid
from backend.web.visitor import who

MAX_TEXT = 200  # characters of a name, an id or a detail
MAX_LIMIT = 200
DAY = 24 * 3600.0
COLUMNS: Head = {
    "at": "float",
    "person": "text",
    "via": "text",
    "action": "text",
    "subject_kind": "text",
    "subject_id": "text",
    "subject_name": "text",
    "detail": "text",
}


@dataclass(frozen=True)
class EntryView:
    """One action. `at` in seconds since the Unix epoch; `person_id` is None for the owner."""

    id: int
    at: float
    person: str
    person_id: int | None
    via: str
    action: str
    subject: Subject
    detail: str

    @property
    def is_about_themselves(self) -> bool:
        """Whether they did it to themselves, like logging in."""
        return self.subject.kind == "person" and self.subject.name == self.person


@dataclass(frozen=True)
class EntryPage:
    """Entries, newest first, and the cursor of the next page, None on the last."""

    entries: list[EntryView]
    next_cursor: str | None


def note(
    session: Session, action: Action, subject: Subject, detail: str = "", by: Identity | None = None
) -> None:
    """Record that whoever is asking did this; `by`: somebody else, who is only now logging in."""
    actor = by or who.get()
    entry = AuditEntry(
        at=clock.now(),
        person=_bounded(actor.name),
        person_id=actor.person_id,
        via=_bounded(actor.via),
        action=action.value,
        subject_kind=subject.kind,
        subject_id=_bounded(subject.id),
        subject_name=_bounded(subject.name or subject.id),
        detail=_bounded(detail),
    )
    session.add(entry)
    session.flush()


def actor() -> dict[str, str]:
    """Who is asking, as the data of a run's event."""
    identity = who.get()
    return {"by": _bounded(identity.name), "via": _bounded(identity.via)}


def find(
    session: Session, person: str = "", action: str = "", cursor: str | None = None, limit: int = 50
) -> EntryPage:
    """Entries, newest first; "" is any person or action. InvalidInput: action, cursor, limit."""
    if not 1 <= limit <= MAX_LIMIT:
        raise invalid_query("limit", f"must be 1 to {MAX_LIMIT}, not {limit}.")
    _check_action(action)
    before = cursors.read(cursor, int)
    found = rows.newest(session, person, action, before[0] if before else None, limit + 1)
    shown, following = cursors.cut(found, limit, lambda entry: (entry.id,))
    return EntryPage([_view(entry) for entry in shown], following)


def export(session: Session, person: str = "", action: str = "", as_: str = "csv") -> File:
    """Every entry that `find` would page through, as a file."""
    _check_action(action)
    entries = rows.newest(session, person, action, None, None)
    table = [tuple(getattr(entry, name) for name in COLUMNS) for entry in entries]
    return table_file("audit", COLUMNS, table, as_)


def people(session: Session) -> list[str]:
    """Everybody who did something, those removed since included."""
    return list(rows.people(session))


def forget_old(session: Session, days: float) -> None:
    """Forget entries older than `days`."""
    rows.delete_older(session, days * DAY)


def _check_action(action: str) -> None:
    if action and action not in tuple(Action):
        raise InvalidInput("Invalid query.", problems=[not_valid("action", action, Action)])


def _bounded(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"


def _view(entry: AuditEntry) -> EntryView:
    subject = Subject(entry.subject_kind, entry.subject_id, entry.subject_name)
    return EntryView(
        entry.id, entry.at, entry.person, entry.person_id, entry.via, entry.action, subject, entry.detail
    )
