"""Histograms over steps; why they are stored so: docs/decisions/histograms.md."""

from __future__ import annotations

from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import Base, OfRun


class HistogramColumn(Base):
    """One histogram of a run at one step. Where steps after it were left out, as of long runs, `low`, `high`
    and `not_finite` tell of those as well."""

    __tablename__ = "histogram"

    run_id: Mapped[OfRun] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True)
    wall_time: Mapped[float]
    low: Mapped[int | None]  # the lowest bin that had a number; NULL: none was finite
    high: Mapped[int | None]
    not_finite: Mapped[int]  # most NaN and infinity of one step
    counts: Mapped[bytes]  # `packing`
