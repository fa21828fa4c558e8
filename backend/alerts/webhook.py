"""Alarms to a webhook: each at least once, and never in the way of a training.

The alarm's own row is the outbox: it is written with the alarm, in one transaction, and says when to try
next. A try is noted before it is made, so a process that dies in the middle only delays the next one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from backend.alerts import queries as rows
from backend.alerts.channels.posting import post
from backend.db.session import reading_scope, session_scope
from backend.domain.records import LOST
from backend.kit.format import finite
from backend.kit.retry import pause_after
from backend.runs.tables import Alarm, Run

OF_ONE_LOOK = 20  # alarms
FIRST_PAUSE, MAX_PAUSE = 10.0, 3600.0  # seconds before the next try; each is twice the one before
MAX_DELIVERIES = 30  # a good day; then the alarm keeps its error and is left alone


@dataclass(frozen=True)
class Deliveries:
    """What became of all alarms."""

    delivered: int
    waiting: int
    given_up: int
    last_delivered_at: float | None
    error: str  # of the newest that has not arrived; "" if the last tries went well
    error_run_id: str  # whose alarm that is


@dataclass(frozen=True)
class Delivery:
    """One alarm on its way."""

    alarm_id: int
    payload: dict[str, Any]


def deliver_due(
    engine: Engine,
    url: str | None,
    stopping: Callable[[], bool] = lambda: False,
    public_url: str | None = None,
) -> int:
    """Send every alarm whose time has come; how many arrived. Commits by itself: the net lies in between.

    `stopping` is asked before each: what is not sent then comes with a later try.

    `public_url`: the lab's address, for links.

    Without a webhook nobody waits for them: what is raised now is not sent when one is set later.
    """
    if url is None:
        _drop_all(engine)
        return 0
    arrived = 0
    for _ in range(OF_ONE_LOOK):
        if stopping():
            break
        with session_scope(engine) as session:
            taken = take_next(session, time.time(), public_url)
        if taken is None:
            break
        error = _post(url, taken.payload)
        with session_scope(engine) as session:
            note(session, taken, error, time.time())
        arrived += not error
    return arrived


def state(session: Session) -> Deliveries:
    """How the deliveries stand; the alarms themselves are their runs'."""
    failing = rows.newest_failing(session)
    error, run_id = (failing.delivery_error, failing.run_id) if failing else ("", "")
    return Deliveries(*rows.counts(session), error, run_id)


def take_next(session: Session, now: float, public_url: str | None = None) -> Delivery | None:
    """An alarm to send now; it counts as tried from here on.

    One at a time: of several, the last would be sent after its pause was over, and by another server as well.
    """
    found = rows.next_due(session, now)
    if found is None:
        return None
    alarm, run = found
    attempt = alarm.delivery_attempts + 1
    later = now + pause_after(attempt, FIRST_PAUSE, MAX_PAUSE) if attempt < MAX_DELIVERIES else None
    rows.change(session, alarm.id, delivery_attempts=attempt, deliver_after=later)
    return Delivery(alarm.id, payload_of(alarm, run, attempt, public_url))


def note(session: Session, delivery: Delivery, error: str, now: float) -> None:
    """Write down how a try went; `error` is empty when the alarm arrived."""
    if error:
        rows.change(session, delivery.alarm_id, delivery_error=error)
    else:
        rows.change(session, delivery.alarm_id, delivered_at=now, deliver_after=None, delivery_error="")


def payload_of(alarm: Alarm, run: Run, attempt: int, public_url: str | None = None) -> dict[str, Any]:
    """The JSON body; `id` is the same in every try, so that a receiver can leave out what it has."""
    path = f"/runs/{run.id}" if alarm.name == LOST else f"/runs/{run.id}#encoder"
    return {
        "id": f"alarm-{alarm.id}",
        "kind": "alarm",
        "text": f"{run.name}: {alarm.text} (step {alarm.step:,})",
        "attempt": attempt,
        "run": {"id": run.id, "name": run.name, "variant": run.variant, "seed": run.seed},
        "alarm": {
            "name": alarm.name,
            "step": alarm.step,
            "value": finite(alarm.value),
            "threshold": finite(alarm.threshold),
            "text": alarm.text,
        },
        "path": path,
        "url": f"{public_url}{path}" if public_url else None,
    }


def _drop_all(engine: Engine) -> None:
    with reading_scope(engine) as session:
        waiting = rows.any_waiting(session)
    if waiting:
        with session_scope(engine) as session:
            rows.drop_all(session)


def _post(url: str, payload: dict[str, Any]) -> str:
    """Why the receiver did not take it; empty when it answered 2xx."""
    headers = {"Content-Type": "application/json"}
    sent = post(url, json.dumps(payload).encode(), headers, reaches_private=True, receiver="the webhook")
    return "" if sent.arrived else sent.answer
