"""Views of the table of runs that people keep."""

from __future__ import annotations

from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import AutoId, Base


class SavedView(Base):
    """A filter, an order, columns and the rest, as they stand in the address of `/`."""

    __tablename__ = "saved_view"

    id: Mapped[AutoId]
    name: Mapped[str] = mapped_column(unique=True)
    query: Mapped[str]
    created_at: Mapped[float]
