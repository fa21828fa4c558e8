"""What happened to a run, for its page and for whoever asks why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from backend.db import clock
from backend.db.repositories import journal
from backend.db.tables import RunEvent


def add(
    session: Session,
    run_id: str,
    kind: str,
    text: str,
    data: Mapping[str, Any] | None = None,
    wall_time: float | None = None,
) -> None:
    """Note that `kind` happened, in words; now, unless `wall_time` says when."""
    when = clock.now() if wall_time is None else wall_time
    journal.add_event(
        session, RunEvent(run_id=run_id, kind=kind, text=text, data=dict(data or {}), wall_time=when)
    )


def list(session: Session, run_id: str, after_id: int = 0) -> Sequence[RunEvent]:
    """The run's events, oldest first; `after_id` is the cursor of those already known."""
    return journal.events_of(session, run_id, after_id)
