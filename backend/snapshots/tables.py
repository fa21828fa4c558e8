"""Kept contexts; why they are rows, and so many: docs/decisions/atlas.md."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import Base, OfRun


class ContextSnapshot(Base):
    """The contexts of a run's probe at one step. A page needs `coordinates` alone, which are a hundredth of
    `contexts`."""

    __tablename__ = "context_snapshot"
    __table_args__ = (Index(None, "run_id", "wall_time"),)  # which runs have some, without reading contexts

    run_id: Mapped[OfRun] = mapped_column(primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True)
    wall_time: Mapped[float]
    tasks: Mapped[list[Any]]  # [set, task id, failure mode or "", token accuracy]
    views: Mapped[int]  # of each task
    tokens: Mapped[int]
    width: Mapped[int]
    scale: Mapped[float]
    coordinates: Mapped[bytes]  # float32 (points, axes): `geometry.principal_coordinates`
    contexts: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)  # `Snapshot.contexts`
