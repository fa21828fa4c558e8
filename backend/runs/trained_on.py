"""Which tasks runs were trained on, in the database: written by their workers, read by whoever says so."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.domain.trained_on import Shortage, TrainedOn, pack, unpack
from backend.runs.tables import TrainedOn as Row


def record(session: Session, run_id: str, found: TrainedOn) -> None:
    """Keep what a start of the run trains on, with what the run it starts from and its own earlier starts
    were trained on."""
    if found.start and (earlier := of_run(session, found.start)):
        found = found.after(earlier)
    if before := of_run(session, run_id):
        found = before.and_again(found)
    row = session.get(Row, run_id) or Row(run_id=run_id)
    row.asked, row.tasks, row.demonstrations = found.asked, found.tasks, found.demonstrations
    row.left_out, row.packed = found.left_out, pack(found)
    session.add(row)
    session.flush()


def of_run(session: Session, run_id: str) -> TrainedOn | None:
    """The record of a run; None of one that was trained before there were records, or not yet."""
    return of_runs(session, [run_id]).get(run_id)


def of_runs(session: Session, run_ids: Collection[str]) -> dict[str, TrainedOn]:
    """Run id -> its record, of those that have one."""
    query = select(Row.run_id, Row.packed).where(Row.run_id.in_(run_ids))
    return {run_id: unpack(packed) for run_id, packed in session.execute(query)}


def shortages(session: Session, run_ids: Collection[str]) -> dict[str, Shortage]:
    """Run id -> how much of what was asked for it was trained on, of those that have a record."""
    query = select(Row).where(Row.run_id.in_(run_ids))
    return {
        row.run_id: Shortage(row.tasks, row.asked, row.demonstrations, row.left_out)
        for row in session.scalars(query)
    }
