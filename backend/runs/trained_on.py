"""Which tasks runs were trained on, in the database: written by their workers, read by whoever says so."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy.orm import Session

from backend.domain.trained_on import Shortage, TrainedOn, pack, unpack
from backend.runs import queries as rows
from backend.runs.tables import TrainedOn as Row


def record(session: Session, run_id: str, found: TrainedOn) -> TrainedOn:
    """Keep what a start of the run trains on, and return it with what the run it starts from and its own
    earlier starts were trained on: by that its evaluations are judged, those in its training too."""
    if found.start and (earlier := of_run(session, found.start)):
        found = found.after(earlier)
    if before := of_run(session, run_id):
        found = before.and_again(found)
    row = Row(
        run_id=run_id,
        asked=found.asked,
        tasks=found.tasks,
        demonstrations=found.demonstrations,
        left_out=found.left_out,
        unknown_start=found.unknown_start,
        packed=pack(found),
    )
    rows.put_trained_on(session, row)
    return found


def of_run(session: Session, run_id: str) -> TrainedOn | None:
    """The record of a run; None of one that was trained before there were records, or not yet."""
    return of_runs(session, [run_id]).get(run_id)


def of_runs(session: Session, run_ids: Collection[str]) -> dict[str, TrainedOn]:
    """Run id -> its record, of those that have one."""
    return {run_id: unpack(packed) for run_id, packed in rows.packed_trained_on(session, run_ids).items()}


def shortages(session: Session, run_ids: Collection[str]) -> dict[str, Shortage]:
    """Run id -> how much of what was asked for it was trained on, of those that have a record."""
    return {
        row.run_id: Shortage(row.tasks, row.asked, row.demonstrations, row.left_out, row.unknown_start)
        for row in rows.counts_trained_on(session, run_ids)
    }
