"""Studies, and which runs and evaluations are theirs. Verdicts follow from these and are not stored."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import Base


class StudyRow(Base):
    """A study at one of its scales. Whoever changes it, or adds runs to it, locks the row."""

    __tablename__ = "study"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    definition: Mapped[dict[str, Any]]  # the file, as it was when the study was started
    scale: Mapped[str]
    hours: Mapped[float]  # budget
    spent: Mapped[float] = mapped_column(default=0.0)  # seconds by the clock in which it was worked on
    looked_at: Mapped[float | None]  # up to when `spent` counts
    status: Mapped[str] = mapped_column(index=True)  # running, stopped, finished
    cause: Mapped[str] = mapped_column(default="")  # why it is not running
    owner_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("person.id", ondelete="SET NULL"))
    project: Mapped[str] = mapped_column(default="")
    revision: Mapped[int] = mapped_column(default=0)  # one more with every change
    created_at: Mapped[float]
    ended_at: Mapped[float | None]


class StudyRun(Base):
    """The run of a configuration under a seed; stays, without the run, where that is deleted."""

    __tablename__ = "study_run"

    study_id: Mapped[str] = mapped_column(ForeignKey("study.id", ondelete="CASCADE"), primary_key=True)
    configuration: Mapped[str] = mapped_column(primary_key=True)
    seed: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    run_id: Mapped[str | None] = mapped_column(ForeignKey("run.id", ondelete="SET NULL"), index=True)


class StudyEvaluation(Base):
    """The evaluation of a sample under a seed; stays, without the evaluation, where that is deleted."""

    __tablename__ = "study_evaluation"

    study_id: Mapped[str] = mapped_column(ForeignKey("study.id", ondelete="CASCADE"), primary_key=True)
    configuration: Mapped[str] = mapped_column(primary_key=True)
    measurement: Mapped[str] = mapped_column(primary_key=True)  # empty: the answer as it is
    set_name: Mapped[str] = mapped_column(primary_key=True)
    seed: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tasks: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # the first n; 0: all
    evaluation_id: Mapped[int | None] = mapped_column(
        BigInteger, ForeignKey("evaluation.id", ondelete="SET NULL"), index=True
    )
