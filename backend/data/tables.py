"""Sets of ARC tasks, built in or imported."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ForeignKey, Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import Base


class TaskSet(Base):
    """A named set: `arc-agi-1/training`, or what a user imported."""

    __tablename__ = "task_set"

    name: Mapped[str] = mapped_column(primary_key=True)
    origin: Mapped[str]  # built-in, imported
    created_at: Mapped[float]


class Task(Base):
    """One puzzle. `demonstrations` and `tests` are [[input digits, output digits], …]; the output of a
    test is null where it is not known. Of a task with many pairs they are a fixed draw from its `pool`."""

    __tablename__ = "task"
    __table_args__ = (Index(None, "set_name", "position"),)

    set_name: Mapped[str] = mapped_column(ForeignKey("task_set.name", ondelete="CASCADE"), primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int]
    demonstrations: Mapped[list[Any]]
    tests: Mapped[list[Any]]
    side: Mapped[int]  # the longest side of any of its grids, the known outputs of tests included
    pairs: Mapped[int | None]  # in the pool; null without one
    # All its pairs as `PairPool.packed` gives them, some 100 kB: loaded for training and leak checks alone.
    pool: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
