"""Evaluations, their outcomes per test input, and the candidate grids."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import AutoId, Base
from backend.db.tables.run import OfRun


class Evaluation(Base):
    """One scoring of one checkpoint on one set. `passes` is {"k": [solved, n]}."""

    __tablename__ = "evaluation"
    __table_args__ = (UniqueConstraint("run_id", "set_name", "step", "weights", "views", "act_steps"),)

    id: Mapped[AutoId]
    run_id: Mapped[OfRun]
    set_name: Mapped[str]
    step: Mapped[int]
    weights: Mapped[str]  # ema, raw
    views: Mapped[int]
    act_steps: Mapped[int]
    task_ids: Mapped[list[str]]
    status: Mapped[str]  # running, finished
    passes: Mapped[dict[str, Any]] = mapped_column(default=dict)
    failure_modes: Mapped[dict[str, int]] = mapped_column(default=dict)
    seconds: Mapped[float] = mapped_column(default=0.0)
    extras: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[float]
    finished_at: Mapped[float | None]


class Outcome(Base):
    """What an evaluation made of one test input. The unique key also serves paging an evaluation."""

    __tablename__ = "outcome"
    __table_args__ = (UniqueConstraint("evaluation_id", "task_id", "test_index"),)

    id: Mapped[AutoId]
    evaluation_id: Mapped[int] = mapped_column(ForeignKey("evaluation.id", ondelete="CASCADE"))
    task_id: Mapped[str] = mapped_column(index=True)  # a task's page: what every run made of it
    test_index: Mapped[int]
    views: Mapped[int]
    truth_rank: Mapped[int | None]
    note: Mapped[str] = mapped_column(default="")


class Prediction(Base):
    """One candidate answer. `grid` is rows of digits joined by "/"; rank 1 is the first attempt."""

    __tablename__ = "prediction"
    __table_args__ = (UniqueConstraint("outcome_id", "rank"),)

    id: Mapped[AutoId]
    outcome_id: Mapped[int] = mapped_column(ForeignKey("outcome.id", ondelete="CASCADE"))
    rank: Mapped[int]
    grid: Mapped[str]
    votes: Mapped[int]
    confidence: Mapped[float]
    correct: Mapped[bool]
    cell_accuracy: Mapped[float]
    failure_mode: Mapped[str | None]
