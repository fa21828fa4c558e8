"""Empties the outbox: every message at least once, and no channel in the way of another or of a run.

A try is noted before it is made, so a process that dies in the middle only delays the next one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from backend.alerts import queries as rows
from backend.alerts.channels.notice import Notice, Sent
from backend.alerts.tables import Message, Subscription
from backend.db.session import reading_scope, session_scope
from backend.domain.alerts import Event
from backend.domain.people import Role
from backend.kit.errors import Unavailable
from backend.kit.retry import pause_after
from backend.people import service as accounts
from backend.run_view.facts import Facts
from backend.runs import queries as run_rows
from backend.settings import Settings
from backend.subscriptions import messages, service
from backend.subscriptions.service import Target

log = logging.getLogger(__name__)
AT_ONCE = 8  # subscriptions that are served at the same time
FIRST_PAUSE, MAX_PAUSE = 10.0, 3600.0  # seconds before the next try; each is twice the one before
GIVEN_UP_AFTER = 24 * 3600.0  # seconds since it happened, for what was tried in vain as often as below
DAY_OF_FAILURES = 32  # in a row: their pauses take a day
HELD = 30.0  # seconds for which a try is its process's: longer than any channel takes
MAX_ERROR = 500  # characters of an answer that are kept


@dataclass(frozen=True)
class _Try:
    """A message on its way."""

    message_id: int
    key: str
    failures: int  # of the subscription in a row, before this try
    pause: float  # seconds before the next one, if it does not arrive
    target: Target
    role: Role
    notice: Notice


class Deliverer:
    """Serves each subscription on a thread of its own as long as it has messages that arrive."""

    def __init__(self, engine: Engine, settings: Settings, stopping: Callable[[], bool]) -> None:
        self._engine, self._settings, self._stopping = engine, settings, stopping
        self._pool = ThreadPoolExecutor(AT_ONCE, "deliver")
        self._busy: set[int] = set()
        self._lock = threading.Lock()

    def look(self) -> None:
        """Start on every subscription whose time has come; those that are being served already are."""
        with reading_scope(self._engine) as session:
            due, orphans = rows.with_messages(session, time.time()), rows.any_orphan(session)
        if orphans:
            with session_scope(self._engine) as session:
                rows.drop_orphans(session)
        for subscription_id in due:
            with self._lock:
                if subscription_id in self._busy:
                    continue
                self._busy.add(subscription_id)
            self._pool.submit(self._serve, subscription_id)

    def close(self) -> None:
        """Wait for the tries under way; what is not sent then comes with a later start."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _serve(self, subscription_id: int) -> None:
        try:
            while not self._stopping() and deliver_next(self._engine, self._settings, subscription_id):
                pass
        except Unavailable as error:
            log.warning("Messages of subscription %s wait: %s", subscription_id, error)
        except Exception:
            log.exception("messages of subscription %s were not delivered", subscription_id)
        finally:
            with self._lock:
                self._busy.discard(subscription_id)


def deliver_next(engine: Engine, settings: Settings, subscription_id: int) -> bool:
    """Deliver a subscription's next message, or drop one that is not for it; whether to ask for another.

    Commits by itself, before and after the try: the net lies in between.
    """
    with reading_scope(engine) as session:
        row = rows.next_message(session, subscription_id)
        if row is None:
            return False
        subscription, message = row
        message_id, key = message.id, message.key
        attempt = _prepare(session, subscription, message, settings)
    with session_scope(engine) as session:
        if attempt is None:
            rows.drop_message(session, message_id, key)
            return True
        now = time.time()
        if not rows.take(session, subscription_id, message_id, now, now + max(HELD, attempt.pause)):
            return False
    sent = service.send(attempt.target, attempt.notice, settings, attempt.role)
    with session_scope(engine) as session:
        _note(session, subscription_id, attempt, sent, time.time())
    return sent.arrived


def _note(session: Session, subscription_id: int, attempt: _Try, sent: Sent, now: float) -> None:
    """Write down how a try went."""
    if sent.arrived:
        rows.drop_message(session, attempt.message_id, attempt.key)
        rows.note_delivered(session, subscription_id, now)
        return
    failed = {"error": sent.answer[:MAX_ERROR], "error_at": now, "retry_at": now + attempt.pause}
    rows.change_subscription(session, subscription_id, **failed)
    is_dead = attempt.failures >= DAY_OF_FAILURES  # a try an hour would never come to what waits behind
    tries = 0 if is_dead else DAY_OF_FAILURES  # the lab may have been off for most of that day
    given_up = rows.drop_old(session, subscription_id, now - GIVEN_UP_AFTER, tries)
    if given_up:
        rows.note_given_up(session, subscription_id, given_up)
    if sent.is_gone:
        rows.change_subscription(session, subscription_id, is_active=False)
        rows.drop_of(session, subscription_id)


def _prepare(
    session: Session, subscription: Subscription, message: Message, settings: Settings
) -> _Try | None:
    """What to send, and to whom; None where its run is gone or does not match, or it is paused."""
    runs = run_rows.of_ids(session, [message.run_id])
    if (
        not subscription.is_active
        or not runs
        or not service.matches(session, message.run_id, subscription.filter)
    ):
        return None
    (run,) = Facts(session, runs, ()).views()
    happened = messages.Happened(
        key=message.key,
        event=Event(message.event),
        text=message.text,
        at=message.happened_at,
        evaluation_id=message.evaluation_id,
        attempt=message.attempts + 1,
    )
    path = messages.path_of(happened, run.id)
    url = f"{settings.public_url}{path}" if settings.public_url else None
    notice = Notice(
        messages.title_of(happened, run),
        messages.text_of(happened, run, url),
        url,
        messages.payload_of(happened, run, url),
    )
    return _Try(
        message_id=message.id,
        key=message.key,
        failures=subscription.failures,
        pause=pause_after(subscription.failures + 1, FIRST_PAUSE, MAX_PAUSE),
        target=service.target_of(subscription),
        role=accounts.role_of(session, subscription.person_id),
        notice=notice,
    )
