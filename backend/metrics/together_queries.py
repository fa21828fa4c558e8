"""SQL of `together`: plain statements without the ORM, which takes longer than the database for them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.orm import Session

from backend.metrics.queries import SUMMARY, Summary
from backend.metrics.tables import RunCursor, Segment, Series

_HOLD = (
    select(RunCursor.run_id, RunCursor.version)
    .where(RunCursor.run_id.in_(bindparam("run_ids", expanding=True)))
    .order_by(RunCursor.run_id)  # everybody in one order: no two wait for each other
    .with_for_update(skip_locked=True)
)
_SUMMARISED = select(Series.id, *SUMMARY).where(
    Series.run_id.in_(bindparam("run_ids", expanding=True)),
    Series.name.in_(bindparam("names", expanding=True)),
)
_ADD = insert(Segment)
_KEEP = (
    update(Series)
    .where(Series.id == bindparam("series_id"))
    .values(
        last_step=bindparam("step"),
        last_value=bindparam("value"),
        min_value=bindparam("least"),
        max_value=bindparam("greatest"),
        sketch=None,
    )
)
_MOVE = update(RunCursor).where(RunCursor.run_id == bindparam("run")).values(version=bindparam("reached"))


def hold_cursors(session: Session, run_ids: Collection[str]) -> dict[str, int]:
    """The versions of these runs, whose other writers wait from now on; a run without a cursor, or whose
    cursor somebody else holds, is left out."""
    cursors = session.connection().execute(_HOLD, {"run_ids": list(run_ids)})
    return {row.run_id: row.version for row in cursors}


def summarised(session: Session, run_ids: Collection[str], names: Collection[str]) -> dict[int, Summary]:
    """What is kept of the series of these runs that have one of the names, by id."""
    rows = session.connection().execute(_SUMMARISED, {"run_ids": list(run_ids), "names": list(names)})
    return {row[0]: Summary(*row[1:]) for row in rows}


def add(session: Session, segments: Sequence[dict[str, Any]]) -> None:
    """Insert segments."""
    session.connection().execute(_ADD, segments)


def keep(session: Session, summaries: Mapping[int, Summary]) -> None:
    """Store what changed of these series, by id."""
    changes = [
        {
            "series_id": series_id,
            "step": summary.last_step,
            "value": summary.last_value,
            "least": summary.min_value,
            "greatest": summary.max_value,
        }
        for series_id, summary in summaries.items()
    ]
    session.connection().execute(_KEEP, changes)


def move_cursors(session: Session, reached: Mapping[str, int]) -> None:
    """Set the versions of runs."""
    changes = [{"run": run_id, "reached": version} for run_id, version in sorted(reached.items())]
    session.connection().execute(_MOVE, changes)
