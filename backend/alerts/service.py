"""Alarms, raised once per run and name; and what subscribers are to hear of. Nothing here commits."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy.orm import Session

from backend.alerts import queries as rows
from backend.domain.alerts import Event
from backend.domain.records import LOST, Alarm
from backend.runs import journal_queries as journal
from backend.runs.tables import Alarm as AlarmRow


def raise_once(session: Session, run_id: str, alarm: Alarm) -> bool:
    """Keep the alarm if it is the run's first of this name; whether it was. The first evidence stays."""
    is_new = journal.add_alarm_once(session, run_id=run_id, deliver_after=time.time(), **asdict(alarm))
    if is_new and alarm.name != LOST:  # that is an event of its own, each time
        tell(session, Event.ALARM, run_id, f"{alarm.text} (step {alarm.step:,})")
    return is_new


def list(session: Session, run_id: str) -> Sequence[AlarmRow]:
    """The run's alarms in the order they were raised."""
    return journal.alarms_of(session, run_id)


def tell(session: Session, event: Event, run_id: str, text: str, evaluation_id: int | None = None) -> None:
    """Put an event into the outbox of everybody who wants to hear of its kind.

    In the transaction of the event itself: neither is there without the other. `text`: what happened.
    """
    wanting = [each for each, events in rows.subscribed(session) if event in events]
    if wanting:
        shared = {"event": event.value, "run_id": run_id, "evaluation_id": evaluation_id, "text": text}
        happened = {"happened_at": time.time(), "attempts": 0}
        rows.add_messages(
            session,
            [
                {"subscription_id": each, "key": secrets.token_hex(8), **shared, **happened}
                for each in wanting
            ],
        )
