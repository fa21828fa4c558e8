"""What happened to a run, for its page and for whoever asks why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from backend.runs import journal_queries as journal
from backend.runs.status import RunStatus
from backend.runs.tables import RunEvent

BY_USER = "cancelled by the user"
BY_SCRIPT = "Resumed by the script."
REASON = "reason"  # why the lab itself cancels a run, in the data of that event
LOGGED = "logged"  # version of the series when a script was started again, in the data of that event

add = journal.add_event


@dataclass(frozen=True)
class Resume:
    """Where another process took up a training: when, and from which step; None where its script does not
    say, and what is logged from then on tells."""

    at: float  # seconds since the epoch
    step: int | None


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


def resumes(session: Session, run_id: str) -> Sequence[Resume]:
    """When and where the training was resumed, by the lab or by the run's own script; oldest first."""
    noted = journal.events_of_kinds(session, run_id, ("claimed", "resumed"))
    resumed = []
    for event in reversed(noted):
        if event.kind == "resumed" and event.data.get(LOGGED):
            resumed.append(Resume(event.wall_time, None))
        elif event.kind == "claimed" and event.data.get("attempt", 1) > 1 and event.data.get("step"):
            resumed.append(Resume(event.wall_time, event.data["step"]))
    return resumed


def note_restart(session: Session, run_id: str, logged: int) -> None:
    """Note that the script of a run is started again whose series have the version `logged`, 0 for none;
    once, however often it asks before it logs more."""
    before = journal.events_of_kinds(session, run_id, ("resumed",))
    if logged and not (before and before[0].data.get(LOGGED) == logged):
        add(session, run_id, "resumed", BY_SCRIPT, {LOGGED: logged})
