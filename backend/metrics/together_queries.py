"""SQL of `together`: plain statements without the ORM, which takes longer than the database for them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.orm import Session

from backend.metrics.tables import RunCursor, Segment, Series

_HOLD = (
    select(RunCursor.run_id, RunCursor.version)
    .where(RunCursor.run_id.in_(bindparam("run_ids", expanding=True)))
    .order_by(RunCursor.run_id)  # everybody in one order: no two wait for each other
    .with_for_update(skip_locked=True)
)
_STATES = select(
    Series.id,
    Series.run_id,
    Series.name,
    Series.last_step,
    Series.last_value,
    Series.min_value,
    Series.max_value,
).where(
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


class State(NamedTuple):
    """What the row of a series says of its points."""

    id: int
    run_id: str
    name: str
    last_step: int
    last_value: float
    min_value: float | None
    max_value: float | None


def hold_cursors(session: Session, run_ids: Collection[str]) -> dict[str, int]:
    """The versions of these runs, whose other writers wait from now on; a run without a cursor, or whose
    cursor somebody else holds, is left out."""
    found = session.connection().execute(_HOLD, {"run_ids": list(run_ids)})
    return {row[0]: row[1] for row in found}


def states(
    session: Session, run_ids: Collection[str], names: Collection[str]
) -> dict[tuple[str, str], State]:
    """By run and name the series of these runs that have one of the names."""
    found = session.connection().execute(_STATES, {"run_ids": list(run_ids), "names": list(names)})
    return {(row[1], row[2]): State(*row) for row in found}


def add(session: Session, segments: Sequence[dict[str, Any]]) -> None:
    """Insert segments."""
    session.connection().execute(_ADD, segments)


def keep(session: Session, states: Sequence[State]) -> None:
    """Store what changed of these series."""
    found = [
        {
            "series_id": each.id,
            "step": each.last_step,
            "value": each.last_value,
            "least": each.min_value,
            "greatest": each.max_value,
        }
        for each in states
    ]
    session.connection().execute(_KEEP, found)


def move_cursors(session: Session, reached: Mapping[str, int]) -> None:
    """Set the versions of runs."""
    found = [{"run": run_id, "reached": version} for run_id, version in sorted(reached.items())]
    session.connection().execute(_MOVE, found)
