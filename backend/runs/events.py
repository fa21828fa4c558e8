"""What happened to a run, for its page and for whoever asks why."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from backend.runs import journal_queries as journal
from backend.runs.status import RunStatus
from backend.runs.tables import RunEvent

BY_USER = "cancelled by the user"
REASON = "reason"  # why the lab itself cancels a run, in the data of that event

add = journal.add_event


def list(session: Session, run_id: str, after_id: int = 0) -> Sequence[RunEvent]:
    """The run's events, oldest first; `after_id` is the cursor of those already known."""
    return journal.events_of(session, run_id, after_id)


def why_cancelled(session: Session, run_id: str) -> str:
    """Why a run that is being cancelled is: what the lab itself noted, or that a person asked."""
    asked = journal.events_of_kinds(session, run_id, (RunStatus.CANCELLING,))
    return str(asked[0].data.get(REASON) or BY_USER) if asked else BY_USER


def trace_of(session: Session, run_id: str) -> str:
    """Trace id of the request that queued the run, or resumed it last; "" where no request did."""
    queued = journal.events_of_kinds(session, run_id, ("queued", "resumed"))
    return str(queued[0].data.get("trace_id", "")) if queued else ""


def trace_of_evaluation(session: Session, run_id: str, evaluation_id: int) -> str:
    """Trace id of the last request that concerned this evaluation of the run; "" where none did."""
    noted = journal.events_of_kinds(session, run_id, ("evaluation",))
    traces = (event.data.get("trace_id") for event in noted if event.data.get("evaluation") == evaluation_id)
    return str(next(filter(None, traces), ""))
