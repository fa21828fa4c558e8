"""Metric series as sealed segments of points; why: docs/decisions/series-storage.md."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import AutoId, Base, MaybeNan, OfRun


class RunCursor(Base):
    """Version of the last write to a run's series. Its row lock puts a run's writers in one line, so
    versions are committed in their order and a reader that saw version v has seen all before it."""

    __tablename__ = "run_cursor"

    run_id: Mapped[str] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"), primary_key=True)
    version: Mapped[int] = mapped_column(default=0)


class Series(Base):
    """One metric of one run. What a table of runs asks of it stands here, so that no table reads points."""

    __tablename__ = "series"
    __table_args__ = (
        UniqueConstraint("run_id", "name"),
        # One metric of all runs: a filter, an order.
        Index("ix_series_values", "name", "run_id", "last_step", "last_value", "min_value", "max_value"),
    )

    id: Mapped[AutoId]
    run_id: Mapped[OfRun]
    name: Mapped[str]
    last_step: Mapped[int] = mapped_column(default=-1)
    last_value: Mapped[MaybeNan]
    min_value: Mapped[float | None]  # of the finite values; NULL where there is none
    max_value: Mapped[float | None]
    sketch: Mapped[bytes | None]  # its course in a few points, once the run is over
    tiled: Mapped[int] = mapped_column(default=0)  # how many of its points, from the first on, are in tiles
    tiled_to: Mapped[int] = mapped_column(default=-1)  # step of the last of them


class Segment(Base):
    """Points of one series, by step, each step once. Of two segments with the same step the one of the
    greater version holds the truth."""

    __tablename__ = "series_segment"
    __table_args__ = (Index(None, "series_id", "version"), Index(None, "series_id", "last_step"))

    id: Mapped[AutoId]
    series_id: Mapped[int] = mapped_column(ForeignKey("series.id", ondelete="CASCADE"))
    version: Mapped[int]
    count: Mapped[int]
    first_step: Mapped[int]
    last_step: Mapped[int]
    points: Mapped[bytes]


class Tile(Base):
    """Consecutive points of one series at one resolution: least, greatest and mean of each bucket of them."""

    __tablename__ = "series_tile"

    series_id: Mapped[int] = mapped_column(ForeignKey("series.id", ondelete="CASCADE"), primary_key=True)
    level: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)  # of the level, from 0
    points: Mapped[int]  # summed up here
    first_step: Mapped[int]
    last_step: Mapped[int]
    buckets: Mapped[bytes]
