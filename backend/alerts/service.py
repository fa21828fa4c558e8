"""Alarms: diagnoses with their evidence, raised once per run and name."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy.orm import Session

from backend.domain.records import Alarm
from backend.runs import journal_queries as journal
from backend.runs.tables import Alarm as AlarmRow


def raise_once(session: Session, run_id: str, alarm: Alarm) -> bool:
    """Keep the alarm if it is the run's first of this name; whether it was. The first evidence stays."""
    return journal.add_alarm_once(session, run_id=run_id, deliver_after=time.time(), **asdict(alarm))


def list(session: Session, run_id: str) -> Sequence[AlarmRow]:
    """The run's alarms in the order they were raised."""
    return journal.alarms_of(session, run_id)
