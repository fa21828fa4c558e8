"""Names that people give to checkpoints, and the dashboards that show a run."""

from __future__ import annotations

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import AutoId, Base, OfRun


class CheckpointAlias(Base):
    """A name of one checkpoint of a run; it can be moved to another. `best` is derived and has no row."""

    __tablename__ = "checkpoint_alias"
    __table_args__ = (UniqueConstraint("run_id", "name"),)

    id: Mapped[AutoId]
    run_id: Mapped[OfRun]
    name: Mapped[str]
    checkpoint_id: Mapped[int] = mapped_column(ForeignKey("checkpoint.id", ondelete="CASCADE"), index=True)
    set_by: Mapped[str] = mapped_column(default="")  # a name: it outlives the person
    set_at: Mapped[float]


class DashboardRun(Base):
    """A run that a dashboard names and shows scores of. Written with the dashboard, and gone with it."""

    __tablename__ = "dashboard_run"

    dashboard_id: Mapped[int] = mapped_column(
        ForeignKey("dashboard.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    run_id: Mapped[str] = mapped_column(primary_key=True, index=True)  # may be one that is not there
    dashboard: Mapped[str]  # its name
    every: Mapped[bool]  # of every scored checkpoint; else of the newest of them
