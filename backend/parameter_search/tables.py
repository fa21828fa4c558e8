"""Parameter searches, their trials, and which runs these have. What Optuna knows is made again from them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, ForeignKey, ForeignKeyConstraint
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import Base


class SearchRow(Base):
    """A parameter search; its runs are those of the group. Whoever changes it or its trials locks the row."""

    __tablename__ = "parameter_search"

    group_id: Mapped[str] = mapped_column(ForeignKey("run_group.id", ondelete="CASCADE"), primary_key=True)
    definition: Mapped[dict[str, Any]]
    status: Mapped[str] = mapped_column(index=True)  # running, stopped, finished
    cause: Mapped[str] = mapped_column(default="")  # why it is not running
    owner_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("person.id", ondelete="SET NULL"))
    project: Mapped[str] = mapped_column(default="")
    parent_id: Mapped[str | None] = mapped_column(ForeignKey("run.id", ondelete="SET NULL"))
    revision: Mapped[int] = mapped_column(default=0)  # one more with every change


class TrialRow(Base):
    """A configuration that a search tries; numbered from 1."""

    __tablename__ = "trial"

    group_id: Mapped[str] = mapped_column(
        ForeignKey("parameter_search.group_id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    parameters: Mapped[dict[str, Any]]  # path -> value
    status: Mapped[str]  # running, complete, pruned, failed, cancelled
    reason: Mapped[str] = mapped_column(default="")  # why it ended like that
    outcome: Mapped[dict[str, Any]] = mapped_column(
        default=dict
    )  # of a trial that is over: it outlives its runs
    created_at: Mapped[float]
    ended_at: Mapped[float | None]


class TrialRun(Base):
    """The run of one seed of a trial; stays, without the run, where that is deleted."""

    __tablename__ = "trial_run"
    __table_args__ = (
        ForeignKeyConstraint(["group_id", "number"], ["trial.group_id", "trial.number"], ondelete="CASCADE"),
    )

    group_id: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # which of its seeds, from 0
    run_id: Mapped[str | None] = mapped_column(ForeignKey("run.id", ondelete="SET NULL"), index=True)
