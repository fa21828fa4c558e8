"""The end of a run, in one place: its status, its lease, its series and its hypothesis."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy.orm import Session

from backend.db import clock
from backend.db.repositories.transition import Note, transition_run
from backend.domain.run import RunStatus
from backend.services import hypotheses, series


def end(
    session: Session,
    run_id: str,
    from_: Collection[RunStatus],
    to: RunStatus,
    cause: str,
    note: Note,
    at_attempt: int | None = None,
    origin: str = "training",
    traceback: str = "",
) -> bool:
    """The run is over, if its status was one of `from_`; whether it was. Arguments as `transition_run`."""
    if origin == "external":
        series.compact(session, run_id)  # first: a script's metrics take the run's cursor, then its row, too
    over = transition_run(
        session,
        run_id,
        from_,
        to,
        note,
        at_attempt,
        origin,
        status_cause=cause,
        traceback=traceback,
        finished_at=clock.now(),
        seconds_left=None,
        lease_until=None,
        cancel_requested=False,
    )
    if over:
        if origin != "external":
            series.compact(session, run_id)
        hypotheses.settle(session, run_id)
    return over
