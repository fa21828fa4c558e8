"""Workers that have reported."""

from __future__ import annotations

from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import Base


class Worker(Base):
    """One worker process, as of its last heartbeat."""

    __tablename__ = "worker"

    id: Mapped[str] = mapped_column(primary_key=True)
    host: Mapped[str]
    pid: Mapped[int]
    device: Mapped[str]  # cpu, cuda
    device_name: Mapped[str] = mapped_column(default="")
    memory_bytes: Mapped[int] = mapped_column(default=0)
    current_run_id: Mapped[str | None]
    started_at: Mapped[float]
    heartbeat_at: Mapped[float] = mapped_column(index=True)
