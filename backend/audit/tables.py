"""What somebody did. The names are text: an entry outlives the person and what it is about."""

from __future__ import annotations

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import AutoId, Base


class AuditEntry(Base):
    """One action of one person."""

    __tablename__ = "audit_entry"
    __table_args__ = (
        Index(None, "person", "id"),
        Index(None, "action", "id"),
        Index(None, "subject_kind", "subject_id"),
    )

    id: Mapped[AutoId]
    at: Mapped[float] = mapped_column(index=True)  # by the database's clock
    person: Mapped[str]
    person_id: Mapped[int | None]  # null is the owner; no foreign key, so that it stays
    via: Mapped[str]  # browser, command line, or a token's name
    action: Mapped[str]
    subject_kind: Mapped[str]
    subject_id: Mapped[str]
    subject_name: Mapped[str]
    detail: Mapped[str]
