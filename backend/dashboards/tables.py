"""Dashboards and the links by which they are shared."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import AutoId, Base


class Dashboard(Base):
    """A saved page of panels. `version` grows with every change: who saves an old one is told."""

    __tablename__ = "dashboard"

    id: Mapped[AutoId]
    slug: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    content: Mapped[dict[str, Any]]
    version: Mapped[int]
    created_at: Mapped[float]
    updated_at: Mapped[float]


class DashboardShare(Base):
    """A link that opens one dashboard to whoever has it; its secret is kept as a hash alone."""

    __tablename__ = "dashboard_share"

    id: Mapped[AutoId]
    dashboard_id: Mapped[int] = mapped_column(ForeignKey("dashboard.id", ondelete="CASCADE"), index=True)
    token_hash: Mapped[str] = mapped_column(unique=True)
    made_by: Mapped[str] = mapped_column(default="")  # "": not noted
    created_at: Mapped[float]
    last_opened_at: Mapped[float | None]
    revoked_at: Mapped[float | None]
