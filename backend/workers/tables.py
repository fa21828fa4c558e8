"""Workers that have reported, and what they hold of evaluations."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import AutoId, Base


class Worker(Base):
    """One worker process, as of its last heartbeat."""

    __tablename__ = "worker"

    id: Mapped[str] = mapped_column(primary_key=True)
    host: Mapped[str]
    pid: Mapped[int]
    device: Mapped[str]  # cpu, cuda
    device_name: Mapped[str] = mapped_column(default="")
    memory_bytes: Mapped[int] = mapped_column(default=0)
    utilisation: Mapped[float | None]  # of the device, 0 to 1; NULL: it does not tell
    memory_used: Mapped[int | None]  # bytes, of `memory_bytes`
    labels: Mapped[list[str]] = mapped_column(default=list)
    clock_ahead: Mapped[float] = mapped_column(default=0.0)  # seconds by which its clock leads the database's
    out_cause: Mapped[str] = mapped_column(default="")  # why it takes no work; empty: it does
    out_advice: Mapped[str] = mapped_column(default="")  # what to do about it
    out_since: Mapped[float | None]
    current_run_id: Mapped[str | None]
    started_at: Mapped[float]
    heartbeat_at: Mapped[float] = mapped_column(index=True)


class EvaluationShare(Base):
    """One worker's part in a job. Its id is the fencing token: only its holder may write for it."""

    __tablename__ = "evaluation_share"
    __table_args__ = (Index(None, "lease_until"),)

    id: Mapped[AutoId]
    evaluation_id: Mapped[int] = mapped_column(ForeignKey("evaluation.id", ondelete="CASCADE"), index=True)
    worker_id: Mapped[str]
    device_name: Mapped[str] = mapped_column(default="")
    lease_until: Mapped[float | None]  # None: it has ended
    views: Mapped[int] = mapped_column(default=0)
    seconds: Mapped[float] = mapped_column(default=0.0)
    started_at: Mapped[float]
    ended_at: Mapped[float | None]
