"""The end of a run, in one place: its status, its series, its hypothesis, and who is told."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy.orm import Session

from backend.alerts import service as alerts
from backend.domain.alerts import Event
from backend.hypothesis import service as hypotheses
from backend.metrics import service as series
from backend.runs.status import RunStatus
from backend.runs.transition import transition_run

# Whoever cancels a run knows.
TOLD = {RunStatus.FINISHED: Event.FINISHED, RunStatus.FAILED: Event.FAILED}


def end(
    session: Session,
    run_id: str,
    from_: Collection[RunStatus],
    to: RunStatus,
    text: str,
    origin: str = "training",
    **more: Any,
) -> bool:
    """The run is over, if its status was one of `from_`; whether it was. Arguments as `transition_run`."""
    if origin == "external":
        series.compact(session, run_id)  # first: a script's metrics take the run's cursor, then its row, too
    over = transition_run(session, run_id, from_, to, text, origin=origin, **more)
    if over and origin != "external":
        series.compact(session, run_id)
    if over and to in TOLD:
        alerts.tell(session, TOLD[to], run_id, text)
    if over:
        hypotheses.settle(session, run_id)
    return over
