"""What is asked in the playground, and what came of it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import Base, OfRun


class Play(Base):
    """One task, or the way between two, asked of one checkpoint. Swept a day after it was asked unless
    somebody has linked to it."""

    __tablename__ = "play"
    __table_args__ = (Index(None, "status", "created_at"), Index(None, "kept", "created_at"))

    id: Mapped[str] = mapped_column(primary_key=True)  # as that of a run
    request: Mapped[dict[str, Any]]  # `stored_request` reads it
    run_id: Mapped[OfRun] = mapped_column(index=True)
    step: Mapped[int]
    sha256: Mapped[str]  # of the checkpoint: what a worker keeps it in memory by
    status: Mapped[str]  # queued, running, finished, failed, cancelled; `claims` alone changes it
    status_cause: Mapped[str] = mapped_column(default="")
    owner_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("person.id", ondelete="SET NULL"))
    attempt: Mapped[int] = mapped_column(default=0)  # fencing token
    worker_id: Mapped[str | None]
    lease_until: Mapped[float | None]
    kept: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[float]  # by the database's clock
    started_at: Mapped[float | None]
    finished_at: Mapped[float | None]
    result: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)  # `pack_result`
