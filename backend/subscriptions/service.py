"""A person's subscriptions: list, add, change, remove, test. Nothing here commits."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy.orm import Session

from backend.alerts import queries as rows
from backend.alerts.channels import apprise_url, push, signed_webhook
from backend.alerts.channels.notice import Notice, Sent
from backend.alerts.tables import Subscription
from backend.audit import service as audit
from backend.audit.actions import Action, Subject
from backend.domain.alerts import Channel, Event
from backend.domain.people import Identity, Role, Scope
from backend.kit.errors import Conflict, Forbidden, InvalidInput, NotFound
from backend.kit.problems import invalid, not_valid
from backend.kit.text import trimmed
from backend.runs_table import search as run_search
from backend.settings import Settings

_invalid = partial(invalid, "The subscription was not saved.")
MAX_OF_PERSON = 20
MAX_NAME, MAX_ADDRESS = 60, 2000  # characters


@dataclass(frozen=True)
class Target:
    """A channel and its address, checked: `shown` holds none of its secrets, `secret` signs webhooks."""

    channel: Channel
    address: str
    shown: str
    secret: str = ""


@dataclass(frozen=True)
class SubscriptionState:
    """A subscription and how its delivery stands. Times are seconds since the Unix epoch."""

    id: int
    name: str
    events: tuple[Event, ...]
    filter: str
    channel: Channel
    address: str  # without its secrets
    is_active: bool
    created_at: float
    delivered: int
    delivered_at: float | None
    waiting: int
    given_up: int
    error: str
    error_at: float | None
    retry_at: float | None


def own(session: Session, identity: Identity) -> list[SubscriptionState]:
    """Those of whoever asks, in the order they were made."""
    return [_state(row, waiting) for row, waiting in rows.own(session, identity.person_id)]


def webhook(url: str) -> Target:
    """A webhook with a new secret. InvalidInput."""
    return Target(Channel.WEBHOOK, _short(url), signed_webhook.shown(url), signed_webhook.new_secret())


def apprise(url: str) -> Target:
    """A service by its apprise URL; takes a second. InvalidInput."""
    return Target(Channel.APPRISE, _short(url), apprise_url.shown(url))


def browser(endpoint: str, p256dh: str, auth: str) -> Target:
    """A browser, by what it got from its push service. InvalidInput."""
    return Target(Channel.PUSH, *push.address_of(_short(endpoint), p256dh, auth))


def add(
    session: Session, identity: Identity, name: str, events: Sequence[str], filter_text: str, target: Target
) -> SubscriptionState:
    """Tell whoever asks of these events, of runs that match the filter. InvalidInput, Conflict, Forbidden."""
    _check_scope(identity)
    if len(rows.own(session, identity.person_id)) >= MAX_OF_PERSON:
        raise Conflict(f"You have {MAX_OF_PERSON} subscriptions.", "Remove one that you no longer need.")
    subscription = Subscription(
        person_id=identity.person_id,
        name=_name(name),
        events=_events(events),
        filter=_filter(session, filter_text),
        channel=target.channel.value,
        address=target.address,
        shown=target.shown,
        secret=target.secret,
        created_at=time.time(),
    )
    session.add(subscription)
    session.flush()
    audit.note(session, Action.SAVED, _subject(subscription), f"{target.channel} to {target.shown}")
    return _state(subscription, 0)


def change(
    session: Session,
    identity: Identity,
    subscription_id: int,
    name: str | None = None,
    events: Sequence[str] | None = None,
    filter_text: str | None = None,
    is_active: bool | None = None,
) -> SubscriptionState:
    """Change what is given. What is paused is told of nothing, later neither. Errors as `add`, NotFound."""
    _check_scope(identity)
    subscription = one(session, identity, subscription_id)
    if name is not None:
        subscription.name = _name(name)
    if events is not None:
        subscription.events = _events(events)
    if filter_text is not None:
        subscription.filter = _filter(session, filter_text)
    if is_active is not None:
        subscription.is_active = is_active
        subscription.failures, subscription.retry_at = 0, None
        if not is_active:
            rows.drop_of(session, subscription_id)
    session.flush()
    audit.note(session, Action.EDITED, _subject(subscription))
    return next(each for each in own(session, identity) if each.id == subscription_id)


def remove(session: Session, identity: Identity, subscription_id: int) -> None:
    """Remove it with what waits for it. NotFound, Forbidden."""
    _check_scope(identity)
    subscription = one(session, identity, subscription_id)
    session.delete(subscription)
    session.flush()
    rows.drop_of(session, subscription_id)
    audit.note(session, Action.DELETED, _subject(subscription))


def one(session: Session, identity: Identity, subscription_id: int) -> Subscription:
    """A subscription of whoever asks, with its secrets; NotFound for somebody else's."""
    found = rows.one(session, identity.person_id, subscription_id)
    if found is None:
        raise NotFound(f"Subscription {subscription_id} not found.", "List yours: etrm alerts.")
    return found


def test_notice(name: str, settings: Settings) -> Notice:
    """What the test button sends."""
    url = f"{settings.public_url}/settings#notifications" if settings.public_url else None
    text = f"The subscription {name!r} works." + (f"\n{url}" if url else "")
    payload = {"id": "test", "kind": "test", "text": text, "path": "/settings#notifications", "url": url}
    return Notice("Test from ETRM Lab", text, url, payload)


def send(target: Target, notice: Notice, settings: Settings, role: Role) -> Sent:
    """Try to deliver a notice now, for a person of this role."""
    reaches_private = role.covers(Role.ADMIN)
    match target.channel:
        case Channel.WEBHOOK:
            return signed_webhook.send(target.address, target.secret, notice, reaches_private)
        case Channel.APPRISE:
            return apprise_url.send(target.address, notice, reaches_private)
        case Channel.PUSH:
            return push.send(target.address, notice, reaches_private, settings)


def target_of(subscription: Subscription) -> Target:
    """Where it goes."""
    channel = Channel(subscription.channel)
    return Target(channel, subscription.address, subscription.shown, subscription.secret)


def matches(session: Session, run_id: str, filter_text: str) -> bool:
    """Whether a run matches a filter that was checked when it was saved; archived runs may."""
    if not filter_text:
        return True
    this_run = f'id == "{run_id}" and ({filter_text})'
    try:
        return bool(run_search.find(session, this_run, 1, metrics=(), lenient=("filter",)).runs)
    except InvalidInput:  # a newer release reads it in another way: better told too much than nothing
        return True


def _check_scope(identity: Identity) -> None:
    if not identity.scope.covers(Scope.LAUNCH):
        raise Forbidden(
            f"This token has the scope {identity.scope}, and subscriptions outlive a token.",
            "Use one of scope launch or admin, or the page Settings.",
        )


def _name(text: str) -> str:
    name = trimmed(text)
    if not 0 < len(name) <= MAX_NAME:
        raise _invalid("name", f"must be 1 to {MAX_NAME} characters long.")
    return name


def _short(address: str) -> str:
    if len(address) > MAX_ADDRESS:
        raise _invalid("url", f"must be at most {MAX_ADDRESS} characters long.")
    return address


def _events(events: Sequence[str]) -> list[str]:
    for each in events:
        if each not in tuple(Event):
            problem = not_valid("events", each, Event, "event")
            raise InvalidInput("The subscription was not saved.", problems=[problem])
    if not events:
        raise _invalid("events", "must name at least one event.", f"Choose from {', '.join(Event)}.")
    return [each.value for each in Event if each in events]


def _filter(session: Session, text: str) -> str:
    run_search.check_filter(session, text)
    return text.strip()


def _subject(subscription: Subscription) -> Subject:
    return Subject("subscription", str(subscription.id), subscription.name)


def _state(row: Subscription, waiting: int) -> SubscriptionState:
    return SubscriptionState(
        id=row.id,
        name=row.name,
        events=tuple(Event(each) for each in row.events),
        filter=row.filter,
        channel=Channel(row.channel),
        address=row.shown,
        is_active=row.is_active,
        created_at=row.created_at,
        delivered=row.delivered,
        delivered_at=row.delivered_at,
        waiting=waiting,
        given_up=row.given_up,
        error=row.error,
        error_at=row.error_at,
        retry_at=row.retry_at,
    )
