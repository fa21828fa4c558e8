"""Alarms that a webhook is still to hear of; subscriptions and their messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from sqlalchemy import ColumnElement, CursorResult, Row, delete, exists, func, insert, or_, select, update
from sqlalchemy.orm import Session, undefer

from backend.alerts.tables import Message, Subscription
from backend.runs.tables import Alarm, Run


def next_due(session: Session, now: float) -> Row[Alarm, Run] | None:
    """(alarm, its run), the oldest whose time has come; another process that looks now gets another."""
    query = select(Alarm, Run).join(Run, Run.id == Alarm.run_id).where(Alarm.deliver_after <= now)
    query = query.order_by(Alarm.id).limit(1)
    return session.execute(query.with_for_update(skip_locked=True, of=Alarm)).first()


def change(session: Session, alarm_id: int, **values: Any) -> None:
    """Note what became of a delivery."""
    session.execute(update(Alarm).where(Alarm.id == alarm_id).values(**values))


def drop_all(session: Session) -> None:
    """Nobody is to be told of what was raised so far."""
    session.execute(update(Alarm).where(Alarm.deliver_after.is_not(None)).values(deliver_after=None))


def counts(session: Session) -> tuple[int, int, int, float | None]:
    """How many arrived, are to be tried (again), were given up; and when the last one arrived."""
    waits, gone = Alarm.deliver_after.is_not(None), Alarm.delivered_at.is_not(None)
    query = select(
        func.count().filter(gone),
        func.count().filter(waits),
        func.count().filter(~waits & ~gone & (Alarm.delivery_attempts > 0)),
        func.max(Alarm.delivered_at),
    )
    arrived, waiting, given_up, last = session.execute(query).one()
    return arrived, waiting, given_up, last


def newest_failing(session: Session) -> Alarm | None:
    """The newest alarm whose last try failed."""
    query = select(Alarm).where(Alarm.delivered_at.is_(None), Alarm.delivery_error != "")
    return session.scalars(query.order_by(Alarm.id.desc()).limit(1)).one_or_none()


def any_waiting(session: Session) -> bool:
    return session.scalar(select(Alarm.id).where(Alarm.deliver_after.is_not(None)).limit(1)) is not None


def subscribed(session: Session) -> Sequence[Row[int, list[str]]]:
    """(subscription, its events) of everybody who is to be told of anything."""
    return session.execute(select(Subscription.id, Subscription.events).where(Subscription.is_active)).all()


def add_messages(session: Session, values: Sequence[Mapping[str, Any]]) -> None:
    """Put messages into the outbox."""
    session.execute(insert(Message), values)


def own(session: Session, person_id: int | None) -> Sequence[Row[Subscription, int]]:
    """(subscription, how many messages wait) of a person, in the order they were made."""
    waiting = select(func.count()).where(Message.subscription_id == Subscription.id).scalar_subquery()
    query = select(Subscription, waiting).where(Subscription.person_id == person_id)
    return session.execute(query.order_by(Subscription.id)).all()


def one(session: Session, person_id: int | None, subscription_id: int) -> Subscription | None:
    """A person's subscription, with its address and secret; None for somebody else's."""
    query = select(Subscription).where(
        Subscription.id == subscription_id, Subscription.person_id == person_id
    )
    return session.scalar(query.options(undefer(Subscription.address), undefer(Subscription.secret)))


def with_messages(session: Session, now: float) -> Sequence[int]:
    """Subscriptions that have something to deliver and whose pause is over."""
    waits = exists().where(Message.subscription_id == Subscription.id)
    return session.scalars(
        select(Subscription.id).where(waits, _is_due(now)).order_by(Subscription.retry_at, Subscription.id)
    ).all()


def next_message(session: Session, subscription_id: int) -> Row[Subscription, Message] | None:
    """(subscription, the message to try next): the oldest of those that were tried least, so that one which
    a receiver refuses does not hold up the others."""
    query = select(Subscription, Message).join(Message, Message.subscription_id == Subscription.id)
    query = query.where(Subscription.id == subscription_id).order_by(Message.attempts, Message.id).limit(1)
    query = query.options(undefer(Subscription.address), undefer(Subscription.secret))
    return session.execute(query).first()


def take(session: Session, subscription_id: int, message_id: int, now: float, retry_at: float) -> bool:
    """Note a try before it is made; whether it is this process's to make."""
    change = update(Subscription).where(Subscription.id == subscription_id, _is_due(now))
    taken = session.execute(change.values(failures=Subscription.failures + 1, retry_at=retry_at))
    if cast(CursorResult[Any], taken).rowcount != 1:
        return False
    tried = update(Message).where(Message.id == message_id).values(attempts=Message.attempts + 1)
    return cast(CursorResult[Any], session.execute(tried)).rowcount == 1


def change_subscription(session: Session, subscription_id: int, **values: Any) -> None:
    """Note what became of a try."""
    session.execute(update(Subscription).where(Subscription.id == subscription_id).values(**values))


def note_delivered(session: Session, subscription_id: int, now: float) -> None:
    """A message arrived: the next one has no pause before it."""
    well = {"failures": 0, "retry_at": None, "error": "", "error_at": None}
    count = {"delivered": Subscription.delivered + 1, "delivered_at": now}
    change_subscription(session, subscription_id, **well, **count)


def note_given_up(session: Session, subscription_id: int, number: int) -> None:
    """Count messages that will not be tried again."""
    change_subscription(session, subscription_id, given_up=Subscription.given_up + number)


def drop_message(session: Session, message_id: int, key: str) -> None:
    """It was delivered, or nobody is to hear of it. Somebody may have dropped it meanwhile, and its id may be
    another's: SQLite uses it again."""
    session.execute(delete(Message).where(Message.id == message_id, Message.key == key))


def drop_old(session: Session, subscription_id: int, before: float, tries: int) -> int:
    """Give up what happened before and was tried at least so often in vain; how many."""
    old = delete(Message).where(
        Message.subscription_id == subscription_id, Message.happened_at < before, Message.attempts >= tries
    )
    return cast(CursorResult[Any], session.execute(old)).rowcount


def drop_of(session: Session, subscription_id: int) -> None:
    """Empty the outbox of a subscription."""
    session.execute(delete(Message).where(Message.subscription_id == subscription_id))


def drop_orphans(session: Session) -> None:
    """Drop what belongs to subscriptions that are gone, with their people or alone."""
    known = exists().where(Subscription.id == Message.subscription_id)
    session.execute(delete(Message).where(~known))


def any_orphan(session: Session) -> bool:
    known = exists().where(Subscription.id == Message.subscription_id)
    return session.scalar(select(Message.id).where(~known).limit(1)) is not None


def _is_due(now: float) -> ColumnElement[bool]:
    return or_(Subscription.retry_at.is_(None), Subscription.retry_at <= now)
