"""Ablations: which evaluations belong together, and of which weights and tasks they are."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import AutoId, Base


class Ablation(Base):
    """An ablation of one checkpoint. Its rows are evaluations; their scores stay with them."""

    __tablename__ = "ablation"

    id: Mapped[AutoId]
    run_id: Mapped[str] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"), index=True)
    step: Mapped[int]
    asked: Mapped[dict[str, Any]]  # an AblationRequest, its step a number
    is_again: Mapped[bool]  # it verifies a card
    manifest: Mapped[str]  # SHA-256 of the checkpoint's manifest
    weights: Mapped[dict[str, Any]]  # ema and raw -> SHA-256 of the file
    tasks: Mapped[dict[str, Any]]  # task -> SHA-256 of its grids when it was asked for
    # {"name" of the row, "evaluation", "reused": whether it was there before}, the right context first.
    # Ablations of earlier releases do not say what they reused.
    evaluations: Mapped[list[Any]]
    created_at: Mapped[float]
