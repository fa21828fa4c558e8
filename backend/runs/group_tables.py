"""Groups of runs."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import Base


class RunGroup(Base):
    """The runs that one sweep made of one config; they point here and stay when it goes."""

    __tablename__ = "run_group"
    __table_args__ = (Index(None, "created_at", "id"),)  # the list of groups, newest first

    id: Mapped[str] = mapped_column(primary_key=True)  # 10 lower-case letters and digits, as of runs
    name: Mapped[str]
    sweep: Mapped[dict[str, Any]]
    config: Mapped[dict[str, Any]]  # what the sweep varied
    created_at: Mapped[float]
