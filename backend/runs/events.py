"""What happened to a run, for its page and for whoever asks why."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from backend.runs import journal_queries as journal
from backend.runs.tables import RunEvent

add = journal.add_event


def list(session: Session, run_id: str, after_id: int = 0) -> Sequence[RunEvent]:
    """The run's events, oldest first; `after_id` is the cursor of those already known."""
    return journal.events_of(session, run_id, after_id)
